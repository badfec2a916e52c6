-- Posts of the last 72 h with their current counters: those of some authors, or of everybody when none is named.
SELECT author_id, post_id, toUnixTimestamp64Milli(created_at) AS created_ms, likes, comments, shares, exposures,
    trend_24h AS trend
FROM hot_posts WHERE empty({authors:Array(Int64)}) OR author_id IN {authors:Array(Int64)}
