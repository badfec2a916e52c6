-- The newest version there is of each of these pairs of blocks.
SELECT blocker_id AS first, blocked_id AS second, toInt64(max(_version)) AS version
FROM blocks WHERE blocker_id IN {firsts:Array(Int64)} AND blocked_id IN {seconds:Array(Int64)}
GROUP BY first, second
