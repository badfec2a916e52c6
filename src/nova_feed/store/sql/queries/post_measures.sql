-- What the ranker's tables hold of one post: one row for each table that has it.
SELECT 'hot_posts' AS place, author_id, toUnixTimestamp64Milli(created_at) AS created_ms, likes, comments, shares, exposures
FROM hot_posts WHERE post_id = {post:Int64}
UNION ALL
SELECT 'author_posts' AS place, author_id, toUnixTimestamp64Milli(p.created_at) AS created_ms,
    p.likes AS likes, p.comments AS comments, p.shares AS shares, p.exposures AS exposures
FROM author_posts ARRAY JOIN posts AS p
WHERE author_id IN (SELECT author_id FROM posts WHERE id = {post:Int64}) AND p.post_id = {post:Int64}
