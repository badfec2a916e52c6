-- Whom a group of viewers might follow, and why. kind: 1 followed by whom the viewer follows, 2 follows the same people,
-- 3 the viewer interacts with them, 4 who reads the viewer's authors also reads them. amount: how many, or how often;
-- vias: up to five people that the reason names. Nobody whom the viewer follows, or has unfollowed. Every step is bounded
-- for one viewer: 200 followees, 200 follows of each; 100 followees, 1,000 followers of each; 10 authors, 50 readers of
-- each, 10 authors of each reader.
WITH
    known AS (SELECT follower_id, followee_id FROM follows WHERE follower_id IN {viewers:Array(Int64)}),
    followed AS (
        SELECT follower_id AS viewer_id, followee_id AS via_id FROM follows FINAL
        WHERE follower_id IN {viewers:Array(Int64)}
        ORDER BY created_at DESC, followee_id LIMIT 200 BY follower_id
    ),
    telling AS (
        SELECT follower_id AS viewer_id, followee_id AS via_id FROM follows FINAL
        WHERE follower_id IN {viewers:Array(Int64)}
            AND followee_id NOT IN (SELECT user_id FROM popular_people WHERE followers > 1000)
        ORDER BY created_at DESC, followee_id LIMIT 100 BY follower_id
    ),
    close AS (
        SELECT user_id AS viewer_id, author_id AS via_id FROM affinity WHERE user_id IN {viewers:Array(Int64)}
        ORDER BY interactions DESC, author_id LIMIT 10 BY user_id
    ),
    circle AS (SELECT author_id AS via_id, user_id AS reader_id FROM readers WHERE author_id IN (SELECT via_id FROM close)),
    their_authors AS (
        SELECT user_id AS reader_id, author_id AS person_id FROM affinity
        WHERE user_id IN (SELECT reader_id FROM circle)
        ORDER BY interactions DESC, author_id LIMIT 10 BY user_id
    )
SELECT viewer_id, person_id, kind, amount, arrayStringConcat(arrayMap(via -> toString(via), via_ids), ',') AS vias
FROM (
    SELECT viewer_id, person_id, toUInt8(1) AS kind, toInt64(count()) AS amount, groupArraySorted(5)(via_id) AS via_ids
    FROM (
        SELECT follower_id AS via_id, followee_id AS person_id FROM follows FINAL
        WHERE follower_id IN (SELECT via_id FROM followed)
        ORDER BY created_at DESC, followee_id LIMIT 200 BY follower_id
    ) AS steps
    INNER JOIN followed USING (via_id)
    WHERE person_id != viewer_id AND (viewer_id, person_id) NOT IN known
    GROUP BY viewer_id, person_id ORDER BY amount DESC, person_id LIMIT 100 BY viewer_id
    UNION ALL
    SELECT viewer_id, person_id, toUInt8(2) AS kind, toInt64(count()) AS amount, groupArraySorted(5)(via_id) AS via_ids
    FROM (
        SELECT followee_id AS via_id, follower_id AS person_id FROM followers FINAL
        WHERE followee_id IN (SELECT via_id FROM telling)
    ) AS steps
    INNER JOIN telling USING (via_id)
    WHERE person_id != viewer_id AND (viewer_id, person_id) NOT IN known
    GROUP BY viewer_id, person_id HAVING amount >= 2 ORDER BY amount DESC, person_id LIMIT 100 BY viewer_id
    UNION ALL
    SELECT user_id AS viewer_id, author_id AS person_id, toUInt8(3) AS kind, interactions AS amount,
        emptyArrayInt64() AS via_ids
    FROM affinity
    WHERE user_id IN {viewers:Array(Int64)} AND (user_id, author_id) NOT IN known
    ORDER BY amount DESC, person_id LIMIT 100 BY viewer_id
    UNION ALL
    SELECT viewer_id, person_id, toUInt8(4) AS kind, toInt64(uniqExact(reader_id)) AS amount, topK(5)(via_id) AS via_ids
    FROM circle
    INNER JOIN their_authors USING (reader_id)
    INNER JOIN close USING (via_id)
    WHERE person_id != viewer_id AND person_id != via_id AND reader_id != viewer_id
        AND (viewer_id, person_id) NOT IN known
    GROUP BY viewer_id, person_id HAVING amount >= 2 ORDER BY amount DESC, person_id LIMIT 100 BY viewer_id
)
