-- A checksum of every count that is kept of events: equal before and after a replay.
SELECT 'events' AS name, groupBitXor(cityHash64(seq, post_id, user_id, action, event_time)) AS checksum FROM events FINAL
UNION ALL
SELECT 'post_metrics_1h' AS name, groupBitXor(cityHash64(post_id, window_start, a, b, c, d, e, f)) AS checksum FROM (
    SELECT post_id, window_start, groupBitmapMerge(impressions) AS a, groupBitmapMerge(views) AS b,
        groupBitmapMerge(clicks) AS c, groupBitmapMerge(likes) AS d, groupBitmapMerge(comments) AS e,
        groupBitmapMerge(shares) AS f
    FROM post_metrics_1h GROUP BY post_id, window_start
)
UNION ALL
SELECT 'user_author_90d' AS name, groupBitXor(cityHash64(user_id, author_id, day, n)) AS checksum FROM (
    SELECT user_id, author_id, day, groupBitmapMerge(interactions) AS n
    FROM user_author_90d GROUP BY user_id, author_id, day
)
