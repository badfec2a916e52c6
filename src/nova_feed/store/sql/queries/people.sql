-- Which of these people exist, their names, and how the viewer stands to them: the rule read of a list of people when
-- PostgreSQL does not answer. relation, a bit set: 1 follows, 4 blocked (by either side), 8 muted (by either side).
WITH stands AS (
    SELECT followee_id AS id, toUInt8(1) AS bit FROM follows FINAL WHERE follower_id = {viewer:Int64}
    UNION ALL SELECT blocked_id AS id, toUInt8(4) AS bit FROM blocks FINAL WHERE blocker_id = {viewer:Int64}
    UNION ALL SELECT blocker_id AS id, toUInt8(4) AS bit FROM blocks FINAL WHERE blocked_id = {viewer:Int64}
    UNION ALL SELECT muted_id AS id, toUInt8(8) AS bit FROM mutes FINAL WHERE muter_id = {viewer:Int64}
    UNION ALL SELECT muter_id AS id, toUInt8(8) AS bit FROM mutes FINAL WHERE muted_id = {viewer:Int64}
)
SELECT there.id AS id, there.username AS username, toUInt8(known.relation) AS relation
FROM (SELECT id, username FROM users FINAL WHERE id IN {people:Array(Int64)}) AS there
LEFT JOIN (SELECT id, groupBitOr(bit) AS relation FROM stands GROUP BY id) AS known ON known.id = there.id
SETTINGS join_use_nulls = 0
