-- Candidates of a group of viewers: what the people they follow posted (72 h, newest 500 each) and the newest posts of
-- the 40 authors they interacted most with (90 d, 200 each, the closest authors first). source: 1 followee, 4 affinity.
WITH
    followed AS (
        SELECT follower_id AS viewer_id, followee_id AS author_id FROM follows FINAL WHERE follower_id IN {viewers:Array(Int64)}
    ),
    close AS (
        SELECT user_id AS viewer_id, author_id, interactions FROM affinity
        WHERE user_id IN {viewers:Array(Int64)} ORDER BY interactions DESC, author_id LIMIT 40 BY user_id
    )
SELECT viewer_id, post_id, author_id, toUnixTimestamp64Milli(created_at) AS created_ms,
    likes, comments, shares, exposures, source
FROM (
    SELECT viewer_id, post_id, author_id, created_at, likes, comments, shares, exposures, toUInt8(1) AS source
    FROM hot_posts INNER JOIN followed USING (author_id)
    WHERE author_id IN (SELECT author_id FROM followed)
    ORDER BY created_at DESC, post_id DESC LIMIT 500 BY viewer_id
    UNION ALL
    SELECT viewer_id, p.post_id AS post_id, author_id, p.created_at AS created_at, p.likes AS likes,
        p.comments AS comments, p.shares AS shares, p.exposures AS exposures, toUInt8(4) AS source
    FROM (SELECT viewer_id, author_id, interactions, posts FROM close INNER JOIN author_posts USING (author_id))
    ARRAY JOIN posts AS p
    ORDER BY interactions DESC, created_at DESC, post_id DESC LIMIT 200 BY viewer_id
)
