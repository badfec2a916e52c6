-- Fresh posts of new authors, one each, the least shown first: what is tried on viewers of whom nothing is known.
SELECT post_id, author_id, toUnixTimestamp64Milli(created_at) AS created_ms, likes, comments, shares, exposures
FROM hot_posts
WHERE created_at >= now64(3) - INTERVAL 24 HOUR AND author_id IN (
    SELECT id FROM users FINAL WHERE created_at >= now64(3) - INTERVAL 30 DAY AND username != {canary:String}
)
ORDER BY exposures, created_at DESC, post_id DESC LIMIT 1 BY author_id LIMIT 100
