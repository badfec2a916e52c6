-- What the sample's people have seen: every like stands for three impressions, and each post has two more, by the clock
-- of the last 20 hours. Written as accepted events are: a dedup row each, and outbox rows of a thousand that the relay
-- publishes. $1: only posts of so many hours.
WITH people AS (
    SELECT count(*) AS n FROM users
), shown AS (
    SELECT p.id AS post_id, p.author_id, 1 + (p.id * 7919 + i * 104729) % people.n AS user_id,
        md5(p.id || ':' || i)::uuid AS key,
        date_trunc('second', now()) - make_interval(secs => ((p.id * 31 + i * 1709) % 72000)::int) AS at
    FROM people, posts p
    LEFT JOIN (SELECT post_id, count(*) AS n FROM likes GROUP BY post_id) AS liked ON liked.post_id = p.id
    CROSS JOIN LATERAL generate_series(1, 2 + 3 * coalesce(liked.n, 0)) AS i
    WHERE p.created_at > now() - make_interval(hours => $1)
), taken AS (
    INSERT INTO nova_events_seen (event_day, subject, key)
    SELECT (at AT TIME ZONE 'UTC')::date, 'sample', key FROM shown RETURNING key, seq
), numbered AS (
    SELECT seq, format(E'%s\t{"event_id":"%s","event_time":%s,"user_id":%s,"post_id":%s,"author_id":%s,"action":"impression"}',
        user_id, key, (extract(epoch FROM at) * 1000)::bigint, user_id, post_id, author_id) AS line
    FROM shown JOIN taken USING (key)
)
INSERT INTO nova_events_outbox (created_at, seqs, body)
SELECT now() - interval '1 hour', array_agg(seq), convert_to(string_agg(line, E'\n'), 'UTF8')
FROM numbered GROUP BY seq / 1000
