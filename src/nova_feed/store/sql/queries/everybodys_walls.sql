-- Whom everybody does not see: 4 blocked (by either side), 8 muted; in the order of viewers and authors.
SELECT viewer_id, author_id, groupBitOr(relation) AS relation
FROM (
    SELECT blocker_id AS viewer_id, blocked_id AS author_id, toUInt8(4) AS relation FROM blocks FINAL
    UNION ALL
    SELECT blocked_id AS viewer_id, blocker_id AS author_id, toUInt8(4) AS relation FROM blocks FINAL
    UNION ALL
    SELECT muter_id AS viewer_id, muted_id AS author_id, toUInt8(8) AS relation FROM mutes FINAL
)
GROUP BY viewer_id, author_id ORDER BY viewer_id, author_id
