-- The newest version there is of each of these pairs of follows.
SELECT follower_id AS first, followee_id AS second, toInt64(max(_version)) AS version
FROM follows WHERE follower_id IN {firsts:Array(Int64)} AND followee_id IN {seconds:Array(Int64)}
GROUP BY first, second
