-- Whom everybody follows (1) or has unfollowed (2), in the order of viewers and authors.
SELECT follower_id AS viewer_id, followee_id AS author_id, toUInt8(if(deleted, 2, 1)) AS relation
FROM follows ORDER BY viewer_id, author_id, _version DESC LIMIT 1 BY viewer_id, author_id
