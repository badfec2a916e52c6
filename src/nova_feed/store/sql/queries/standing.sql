-- Which of these posts exist: the rule read of a page when PostgreSQL does not answer.
SELECT id FROM posts FINAL WHERE id IN {posts:Array(Int64)}
