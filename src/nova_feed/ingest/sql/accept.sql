-- One request: what is new gets its dedup row and its line in the outbox row, or nothing happens at all.
-- Keys are inserted in order, so that two requests with the same keys wait for each other and never deadlock.
WITH request AS MATERIALIZED (
    SELECT nextval('nova_event_base') AS base, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint AS accepted_ms
), sent AS (
    SELECT event_day, key, digest, guard_day, at - 1 AS position
    FROM unnest($1::date[], $2::uuid[], $3::bigint[], $4::date[])
        WITH ORDINALITY AS t (event_day, key, digest, guard_day, at)
), guarded AS (
    INSERT INTO nova_events_seen (seq, digest, key, event_day)
    SELECT 0, digest, key, guard_day FROM sent WHERE guard_day IS NOT NULL ORDER BY key
    ON CONFLICT DO NOTHING RETURNING key
), taken AS (
    INSERT INTO nova_events_seen (seq, digest, key, event_day)
    SELECT base + position, digest, key, event_day FROM request, sent
    WHERE guard_day IS NULL OR key IN (SELECT key FROM guarded) ORDER BY event_day, key
    ON CONFLICT DO NOTHING RETURNING seq
), hidden AS (
    INSERT INTO nova_hidden (user_id, post_id) SELECT DISTINCT * FROM unnest($6::bigint[], $7::bigint[]) AS t (u, p)
    ORDER BY u, p ON CONFLICT DO NOTHING
), new AS (
    SELECT array_agg((seq - base)::smallint ORDER BY seq) AS positions FROM taken, request
), kept AS (
    INSERT INTO nova_events_outbox (base, accepted_ms, positions, body, trace)
    SELECT base, accepted_ms, positions, $5, $8 FROM request, new WHERE positions IS NOT NULL
)
SELECT base, accepted_ms, positions FROM request, new
