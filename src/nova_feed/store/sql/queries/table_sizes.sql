-- How many posts the ranker's tables hold (20 an author at most in the latter), without reading them.
SELECT toInt64(assumeNotNull((SELECT count() FROM hot_posts))) AS hot_posts,
    toInt64(assumeNotNull((SELECT 20 * count() FROM author_posts))) AS author_posts
