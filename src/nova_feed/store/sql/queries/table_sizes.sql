-- How many posts the ranker's tables hold (20 an author at most in the second), and the most rows that one table of pairs
-- of viewer and author has, without reading them.
SELECT toInt64(assumeNotNull((SELECT count() FROM hot_posts))) AS hot_posts,
    toInt64(assumeNotNull((SELECT 20 * count() FROM author_posts))) AS author_posts,
    toInt64(greatest(assumeNotNull((SELECT count() FROM affinity)), assumeNotNull((SELECT count() FROM follows)),
        2 * assumeNotNull((SELECT count() FROM blocks)) + assumeNotNull((SELECT count() FROM mutes)))) AS pairs
