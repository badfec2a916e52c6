-- Client events: one row per accepted event to recognise it when it comes again, one outbox row per request until the
-- broker has it. Partitioned by the day of the event's own time, so that a retry always meets the row of its first try.
CREATE SEQUENCE nova_event_seq AS bigint CACHE 1;

CREATE TABLE nova_events_seen (
    event_day  date     NOT NULL,
    subject    text     NOT NULL,
    key        uuid     NOT NULL,
    seq        bigint   NOT NULL DEFAULT nextval('nova_event_seq'),
    PRIMARY KEY (event_day, subject, key)
) PARTITION BY RANGE (event_day);

CREATE TABLE nova_events_outbox (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    seqs       bigint[]    NOT NULL,
    body       bytea       NOT NULL
);

-- Partitions for the days an event may lie in from now until the day after tomorrow. Called at start and every hour.
CREATE FUNCTION nova_ensure_event_days() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    day date;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('nova_ensure_event_days'));
    FOR day IN SELECT d::date FROM generate_series(
        (now() AT TIME ZONE 'UTC')::date - 2, (now() AT TIME ZONE 'UTC')::date + 2, interval '1 day') AS d
    LOOP
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS %I PARTITION OF nova_events_seen FOR VALUES FROM (%L) TO (%L)',
            'nova_events_seen_' || to_char(day, 'YYYYMMDD'), day, day + 1);
    END LOOP;
END $$;
SELECT nova_ensure_event_days();
