-- Who wrote these posts, and when. Posts that are gone are not in the answer.
SELECT id AS post_id, author_id, toUnixTimestamp64Milli(created_at) AS created_ms
FROM posts FINAL WHERE id IN {posts:Array(Int64)}
