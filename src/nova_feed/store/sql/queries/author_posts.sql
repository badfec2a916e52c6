-- The newest 20 posts of each author within 90 days: of some authors, or of everybody when none is named.
SELECT author_id, p.post_id AS post_id, toUnixTimestamp64Milli(p.created_at) AS created_ms, p.likes AS likes,
    p.comments AS comments, p.shares AS shares, p.exposures AS exposures
FROM (SELECT author_id, posts FROM author_posts WHERE empty({authors:Array(Int64)}) OR author_id IN {authors:Array(Int64)})
ARRAY JOIN posts AS p
