-- A checksum of every count that is kept of events: equal before and after a replay.
SELECT 'events' AS name, groupBitXor(cityHash64(seq, post_id, user_id, action, event_time)) AS checksum FROM events FINAL
UNION ALL
SELECT 'post_metrics_1h' AS name, groupBitXor(cityHash64(post_id, window_start, a, b, c, d, e, f)) AS checksum FROM (
    SELECT post_id, window_start, uniqExactMerge(impressions) AS a, uniqExactMerge(views) AS b,
        uniqExactMerge(clicks) AS c, uniqExactMerge(likes) AS d, uniqExactMerge(comments) AS e,
        uniqExactMerge(shares) AS f
    FROM post_metrics_1h GROUP BY post_id, window_start
)
UNION ALL
SELECT 'user_author_90d' AS name, groupBitXor(cityHash64(user_id, author_id, day, n)) AS checksum FROM (
    SELECT user_id, author_id, day, uniqExactMerge(interactions) AS n
    FROM user_author_90d GROUP BY user_id, author_id, day
)
