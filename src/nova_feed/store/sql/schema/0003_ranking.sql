-- What the ranker reads: small tables that refreshable views swap whole, so a query never sees a half-built one.

-- What the events of past hours make of a hot post: numbers, so that the sets of whole hours are merged every five
-- minutes, ten minutes after their end, and not at each rebuild of the view below. An event belongs to one hour, so the
-- parts add up; one that comes late for its hour is seen at the next refresh. ``until``: the hour that comes next.
CREATE MATERIALIZED VIEW IF NOT EXISTS past_counts REFRESH EVERY 5 MINUTE
ENGINE = MergeTree ORDER BY post_id
AS WITH toStartOfHour(now('UTC') - INTERVAL 10 MINUTE) AS boundary
SELECT post_id, boundary AS until, uniqExactMerge(impressions) AS exposures, uniqExactMerge(shares) AS n,
    uniqExactMergeIf(shares, window_start >= toStartOfHour(now('UTC') - INTERVAL 24 HOUR)) AS n_24h
FROM post_metrics_1h
WHERE window_start < boundary AND post_id IN (
    SELECT id FROM posts FINAL WHERE created_at >= now64(3) - INTERVAL 72 HOUR
)
GROUP BY post_id;

-- Numbers of what lies between the past hours and the last minutes. An event belongs to one minute of its own time, so
-- past_counts, these, and the events since ``until`` add up; one that comes late for its minute is seen within a minute
-- here, or within five in past_counts.
CREATE MATERIALIZED VIEW IF NOT EXISTS recent_counts REFRESH EVERY 1 MINUTE
ENGINE = MergeTree ORDER BY (hour, post_id)
AS WITH toStartOfMinute(now('UTC') - INTERVAL 2 MINUTE) AS edge
SELECT post_id, toStartOfHour(minute) AS hour, edge AS until,
    uniqExactIf(seq, share = 0) AS exposures, uniqExactIf(seq, share = 1) AS n
FROM recent_events
WHERE minute >= (SELECT max(until) FROM past_counts) AND minute < edge
GROUP BY post_id, hour;

-- Posts of the last 72 h with their current counters, ordered by author. Likes and comments are counted from their own
-- tables (an unlike takes its like back); shares and exposures from events. The worker rebuilds it several times a second.
CREATE MATERIALIZED VIEW IF NOT EXISTS hot_posts REFRESH EVERY 30 SECOND
ENGINE = MergeTree ORDER BY (author_id, created_at) SETTINGS index_granularity = 512
AS WITH
    fresh AS (
        SELECT id, author_id, created_at FROM posts FINAL
        WHERE created_at >= now64(3) - INTERVAL 72 HOUR AND created_at <= now64(3) + INTERVAL 5 MINUTE
    ),
    -- Which likes and comments to read: without FINAL, since what is no post any more joins with nothing below.
    new AS (SELECT id FROM posts WHERE created_at >= now64(3) - INTERVAL 72 HOUR),
    liked AS (
        SELECT post_id, count() AS n, countIf(created_at >= now64(3) - INTERVAL 24 HOUR) AS n_24h
        FROM likes FINAL WHERE post_id IN (SELECT id FROM new) GROUP BY post_id
    ),
    commented AS (
        SELECT post_id, count() AS n, countIf(created_at >= now64(3) - INTERVAL 24 HOUR) AS n_24h
        FROM comments FINAL WHERE post_id IN (SELECT id FROM new) GROUP BY post_id
    ),
    seen AS (
        SELECT post_id, sum(e) AS exposures, sum(s) AS n, sum(s24) AS n_24h FROM (
            SELECT post_id, uniqExactIf(seq, share = 0) AS e, uniqExactIf(seq, share = 1) AS s, s AS s24
            FROM recent_events
            WHERE minute >= greatest((SELECT max(until) FROM past_counts), (SELECT max(until) FROM recent_counts))
            GROUP BY post_id
            UNION ALL
            SELECT post_id, exposures AS e, n AS s, n AS s24 FROM recent_counts
            WHERE hour >= (SELECT max(until) FROM past_counts)
            UNION ALL
            SELECT post_id, exposures AS e, n AS s, n_24h AS s24 FROM past_counts
        ) GROUP BY post_id
    )
SELECT fresh.id AS post_id, fresh.author_id AS author_id, fresh.created_at AS created_at,
    toInt64(liked.n) AS likes, toInt64(commented.n) AS comments, toInt64(seen.n) AS shares,
    toInt64(seen.exposures) AS exposures,
    toInt64(liked.n_24h + 2 * commented.n_24h + 3 * seen.n_24h) AS trend_24h
FROM fresh
LEFT JOIN liked ON liked.post_id = fresh.id
LEFT JOIN commented ON commented.post_id = fresh.id
LEFT JOIN seen ON seen.post_id = fresh.id
SETTINGS join_use_nulls = 0;

-- The newest 20 posts of every author within 90 days, newest first: what affinity proposes beyond the hot ones. One row
-- an author, because that is how it is asked for. (The worker rebuilds it, and affinity, as often as it costs little.)
CREATE MATERIALIZED VIEW IF NOT EXISTS author_posts REFRESH EVERY 5 MINUTE
ENGINE = MergeTree ORDER BY author_id SETTINGS index_granularity = 128
AS WITH
    newest AS (
        SELECT id, author_id, created_at FROM posts FINAL
        WHERE created_at >= now64(3) - INTERVAL 90 DAY AND created_at <= now64(3) + INTERVAL 5 MINUTE
        ORDER BY created_at DESC LIMIT 20 BY author_id
    ),
    liked AS (SELECT post_id, count() AS n FROM likes FINAL WHERE post_id IN (SELECT id FROM newest) GROUP BY post_id),
    commented AS (SELECT post_id, count() AS n FROM comments FINAL WHERE post_id IN (SELECT id FROM newest) GROUP BY post_id),
    seen AS (
        SELECT post_id, uniqExactMerge(impressions) AS exposures, uniqExactMerge(shares) AS n
        FROM post_metrics_1h WHERE post_id IN (SELECT id FROM newest) GROUP BY post_id
    )
SELECT newest.author_id AS author_id, CAST(arrayReverseSort(groupArray((
        newest.created_at, newest.id, toInt64(liked.n), toInt64(commented.n), toInt64(seen.n), toInt64(seen.exposures)
    ))), 'Array(Tuple(created_at DateTime64(3, \'UTC\'), post_id Int64, likes Int64, comments Int64, shares Int64, exposures Int64))') AS posts
FROM newest
LEFT JOIN liked ON liked.post_id = newest.id
LEFT JOIN commented ON commented.post_id = newest.id
LEFT JOIN seen ON seen.post_id = newest.id
GROUP BY author_id
SETTINGS join_use_nulls = 0;

-- All interactions of a pair within 90 days: likes and comments from their tables, the rest from events.
CREATE MATERIALIZED VIEW IF NOT EXISTS affinity REFRESH EVERY 5 MINUTE
ENGINE = MergeTree ORDER BY (user_id, author_id) SETTINGS index_granularity = 256
AS WITH authors AS (SELECT id, author_id FROM posts FINAL)
SELECT user_id, author_id, toInt64(sum(n)) AS interactions
FROM (
    SELECT user_id, authors.author_id AS author_id, count() AS n FROM likes FINAL INNER JOIN authors ON authors.id = likes.post_id
    WHERE likes.created_at >= now64(3) - INTERVAL 90 DAY GROUP BY user_id, author_id
    UNION ALL
    SELECT user_id, authors.author_id AS author_id, count() AS n FROM comments FINAL INNER JOIN authors ON authors.id = comments.post_id
    WHERE comments.created_at >= now64(3) - INTERVAL 90 DAY GROUP BY user_id, author_id
    UNION ALL
    SELECT user_id, author_id, uniqExactMerge(interactions) AS n FROM user_author_90d
    WHERE day >= today() - 90 GROUP BY user_id, author_id
)
WHERE user_id != author_id AND author_id > 0
GROUP BY user_id, author_id;
