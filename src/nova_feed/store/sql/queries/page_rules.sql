-- Rules of pages without PostgreSQL, as far as they are known here. kind 1: this post exists (for everybody: viewer 0);
-- 2: the viewer has hidden this post; 3: the viewer blocked or muted this author, or was blocked by them; 4: the viewer
-- follows this author; 5: has unfollowed them. Every part is found by its key.
SELECT toUInt8(1) AS kind, toInt64(0) AS viewer_id, toInt64(id) AS other_id
FROM posts FINAL WHERE id IN {posts:Array(Int64)}
UNION ALL
SELECT DISTINCT toUInt8(2) AS kind, toInt64(user_id) AS viewer_id, toInt64(post_id) AS other_id
FROM events
WHERE post_id IN {posts:Array(Int64)} AND action = 'hide' AND user_id IN {viewers:Array(Int64)}
UNION ALL
SELECT toUInt8(3) AS kind, toInt64(blocker_id) AS viewer_id, toInt64(blocked_id) AS other_id
FROM blocks FINAL WHERE blocker_id IN {viewers:Array(Int64)} AND blocked_id IN {authors:Array(Int64)}
UNION ALL
SELECT toUInt8(3) AS kind, toInt64(blocked_id) AS viewer_id, toInt64(blocker_id) AS other_id
FROM blocks FINAL WHERE blocker_id IN {authors:Array(Int64)} AND blocked_id IN {viewers:Array(Int64)}
UNION ALL
SELECT toUInt8(3) AS kind, toInt64(muter_id) AS viewer_id, toInt64(muted_id) AS other_id
FROM mutes FINAL WHERE muter_id IN {viewers:Array(Int64)} AND muted_id IN {authors:Array(Int64)}
UNION ALL
SELECT toUInt8(if(argMax(deleted, _version), 5, 4)) AS kind, toInt64(follower_id) AS viewer_id,
    toInt64(followee_id) AS other_id
FROM follows WHERE follower_id IN {viewers:Array(Int64)} AND followee_id IN {authors:Array(Int64)}
GROUP BY follower_id, followee_id
