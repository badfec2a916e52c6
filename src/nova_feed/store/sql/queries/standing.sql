-- Which of these posts exist (viewer 0), and which of them some of these viewers have hidden: rules without PostgreSQL.
SELECT toInt64(0) AS viewer_id, toInt64(id) AS post_id FROM posts FINAL WHERE id IN {posts:Array(Int64)}
UNION ALL
SELECT DISTINCT toInt64(user_id) AS viewer_id, toInt64(post_id) AS post_id FROM events
WHERE post_id IN {posts:Array(Int64)} AND action = 'hide' AND user_id IN {viewers:Array(Int64)}
