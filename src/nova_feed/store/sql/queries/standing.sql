-- Which of these posts exist and are not hidden by the viewer: the rule read of a page without PostgreSQL.
SELECT id FROM posts FINAL WHERE id IN {posts:Array(Int64)} AND id NOT IN (
    SELECT post_id FROM events WHERE post_id IN {posts:Array(Int64)} AND action = 'hide' AND user_id = {viewer:Int64}
)
