-- The posts of the last 72 h with the most engagement within 24 h: likes + 2 comments + 3 shares.
SELECT post_id, author_id, toUnixTimestamp64Milli(created_at) AS created_ms, likes, comments, shares, exposures
FROM hot_posts WHERE trend_24h > 0
ORDER BY trend_24h DESC, created_at DESC, post_id DESC LIMIT 200
