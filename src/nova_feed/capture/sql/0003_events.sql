-- Client events: one row per accepted event to recognise it when it comes again, and one outbox row per request.
-- One number per request: the seq of its line i is base + i, so a request costs one nextval and 128 is its room.
CREATE SEQUENCE nova_event_base AS bigint INCREMENT BY 128 MINVALUE 128 CACHE 1;

-- Partitioned by the day of the event's own time, so that a retry always meets the row of its first try. ``key`` is a
-- hash of subject and event_id, ``digest`` of what the event says (0: no event_id, so nothing to compare); ``seq`` is 0
-- in a guard row: an event without a time of its own takes the day before, too, and cannot come again past midnight.
CREATE TABLE nova_events_seen (
    seq        bigint NOT NULL,
    digest     bigint NOT NULL,
    key        uuid   NOT NULL,
    event_day  date   NOT NULL,
    PRIMARY KEY (key, event_day)
) PARTITION BY RANGE (event_day);

-- The lines of accepted requests, from before the 202 until ClickHouse is known to have them: ``acked`` once the broker
-- has all of them, deleted once the reconciler found them stored. ``positions``: the lines that were new.
CREATE TABLE nova_events_outbox (
    base        bigint     PRIMARY KEY,
    accepted_ms bigint     NOT NULL,
    acked       boolean    NOT NULL DEFAULT false,
    positions   smallint[] NOT NULL,
    body        bytea      NOT NULL
);
CREATE INDEX nova_events_outbox_pending ON nova_events_outbox (base) WHERE NOT acked;
CREATE INDEX nova_events_outbox_accepted ON nova_events_outbox (accepted_ms);

-- Posts that a viewer hid, for the rules that every page is checked against: in the same transaction as the event.
CREATE TABLE nova_hidden (
    user_id   bigint      NOT NULL,
    post_id   bigint      NOT NULL,
    hidden_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (user_id, post_id)
);

-- What was accepted and found stored, by minute of acceptance: how many, the sum (mod 2^64) and the xor of their seqs.
CREATE TABLE nova_events_minutes (
    minute      timestamptz    PRIMARY KEY,
    accepted    bigint         NOT NULL,
    seq_sum     numeric(20, 0) NOT NULL,
    seq_xor     bigint         NOT NULL,
    reconciled_at timestamptz  NOT NULL DEFAULT now()
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

-- The days whose rows no retry can meet any more: events older than 24 h are refused, one more day is for clocks.
CREATE FUNCTION nova_past_event_days() RETURNS SETOF regclass LANGUAGE sql STABLE AS $$
    SELECT inhrelid::regclass FROM pg_inherits WHERE inhparent = 'nova_events_seen'::regclass
        AND right(inhrelid::regclass::text, 8) < to_char((now() AT TIME ZONE 'UTC')::date - 2, 'YYYYMMDD')
$$;
SELECT nova_ensure_event_days();
