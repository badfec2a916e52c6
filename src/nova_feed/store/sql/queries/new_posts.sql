-- Posts in the ranker's table that were made since a moment (UTC ms): whose followers' lists are out of date.
SELECT post_id, author_id, toUnixTimestamp64Milli(created_at) AS created_ms
FROM hot_posts WHERE created_at >= fromUnixTimestamp64Milli({since_ms:Int64}, 'UTC')
