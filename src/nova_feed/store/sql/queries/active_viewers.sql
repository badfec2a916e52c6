-- Who was most active since yesterday, by interactions with others' posts: whose feeds are kept warm.
SELECT user_id AS viewer_id, toInt64(uniqExactMerge(interactions)) AS n
FROM user_author_90d WHERE day >= toDate(now('UTC')) - 1
GROUP BY user_id ORDER BY n DESC, max(last_at) DESC, user_id LIMIT {most:UInt32}
