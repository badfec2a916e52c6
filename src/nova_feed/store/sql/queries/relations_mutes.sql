-- The newest version there is of each of these pairs of mutes.
SELECT muter_id AS first, muted_id AS second, toInt64(max(_version)) AS version
FROM mutes WHERE muter_id IN {firsts:Array(Int64)} AND muted_id IN {seconds:Array(Int64)}
GROUP BY first, second
