-- What the sample's people have seen: every like stands for three impressions, and each post has two more, by the clock
-- of the last 20 hours. Written as accepted events are: a dedup row each, and outbox rows of a hundred that the relay
-- publishes. $1: only posts of so many hours.
WITH people AS (
    SELECT count(*) AS n FROM users
), shown AS (
    SELECT p.id AS post_id, p.author_id, 1 + (p.id * 7919 + i * 104729) % people.n AS user_id,
        md5(p.id || ':' || i)::uuid AS key,
        date_trunc('second', now()) - make_interval(secs => ((p.id * 31 + i * 1709) % 72000)::int) AS at,
        row_number() OVER () - 1 AS number
    FROM people, posts p
    LEFT JOIN (SELECT post_id, count(*) AS n FROM likes GROUP BY post_id) AS liked ON liked.post_id = p.id
    CROSS JOIN LATERAL generate_series(1, 2 + 3 * coalesce(liked.n, 0)) AS i
    WHERE p.created_at > now() - make_interval(hours => $1)
), requests AS MATERIALIZED (
    SELECT request, nextval('nova_event_base') AS base FROM (SELECT DISTINCT number / 100 AS request FROM shown) AS r
), numbered AS (
    SELECT base, (number % 100)::smallint AS position, (at AT TIME ZONE 'UTC')::date AS event_day, key,
        format(E'%s\t{"event_id":"%s","event_time":%s,"user_id":%s,"post_id":%s,"author_id":%s,"action":"impression"}',
            user_id, key, (extract(epoch FROM at) * 1000)::bigint, user_id, post_id, author_id) AS line
    FROM shown JOIN requests ON request = number / 100
), taken AS (
    INSERT INTO nova_events_seen (seq, digest, key, event_day) SELECT base + position, 0, key, event_day FROM numbered
)
INSERT INTO nova_events_outbox (base, accepted_ms, positions, body)
SELECT base, floor(extract(epoch FROM now() - interval '1 minute') * 1000)::bigint,
    array_agg(position ORDER BY position), convert_to(string_agg(line, E'\n' ORDER BY position), 'UTF8')
FROM numbered GROUP BY base
