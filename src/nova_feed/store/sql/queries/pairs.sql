-- What is known of viewers and authors: how often they interacted, and how they stand to each other.
-- relation, a bit set: 1 follows, 2 has unfollowed, 4 blocked (by either side), 8 muted.
SELECT viewer_id, author_id, toInt64(sum(interactions)) AS interactions, groupBitOr(relation) AS relation
FROM (
    SELECT user_id AS viewer_id, author_id, interactions, toUInt8(0) AS relation
    FROM affinity WHERE user_id IN {viewers:Array(Int64)}
    UNION ALL
    SELECT follower_id AS viewer_id, followee_id AS author_id, toInt64(0) AS interactions,
        toUInt8(if(argMax(deleted, _version), 2, 1)) AS relation
    FROM follows WHERE follower_id IN {viewers:Array(Int64)} GROUP BY follower_id, followee_id
    UNION ALL
    SELECT blocker_id AS viewer_id, blocked_id AS author_id, toInt64(0) AS interactions, toUInt8(4) AS relation
    FROM blocks FINAL WHERE blocker_id IN {viewers:Array(Int64)}
    UNION ALL
    SELECT blocked_id AS viewer_id, blocker_id AS author_id, toInt64(0) AS interactions, toUInt8(4) AS relation
    FROM blocks FINAL WHERE blocked_id IN {viewers:Array(Int64)}
    UNION ALL
    SELECT muter_id AS viewer_id, muted_id AS author_id, toInt64(0) AS interactions, toUInt8(8) AS relation
    FROM mutes FINAL WHERE muter_id IN {viewers:Array(Int64)}
)
GROUP BY viewer_id, author_id
