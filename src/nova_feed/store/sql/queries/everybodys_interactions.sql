-- How often everybody interacted with whom, in the order of viewers and authors.
SELECT user_id AS viewer_id, author_id, interactions FROM affinity ORDER BY viewer_id, author_id
