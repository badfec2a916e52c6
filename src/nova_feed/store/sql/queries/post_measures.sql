-- What the ranker's tables hold of one post: one row for each table that has it.
SELECT 'hot_posts' AS place, author_id, toUnixTimestamp64Milli(created_at) AS created_ms, likes, comments, shares, exposures
FROM hot_posts WHERE post_id = {post:Int64}
UNION ALL
SELECT 'author_posts' AS place, author_id, toUnixTimestamp64Milli(created_at) AS created_ms, likes, comments, shares, exposures
FROM author_posts WHERE post_id = {post:Int64}
