-- One number for what hot_posts is made from: another one as soon as anything is inserted there (or merged, or counted
-- anew), so that what nothing came to need not be rebuilt.
SELECT toInt64(reinterpretAsInt64(sum(hash))) AS state
FROM (
    SELECT cityHash64(`table`, name) AS hash FROM system.parts
    WHERE active AND database = currentDatabase() AND `table` IN ('posts', 'likes', 'comments', 'recent_events')
    UNION ALL
    SELECT cityHash64(view, assumeNotNull(last_success_time)) AS hash FROM system.view_refreshes
    WHERE database = currentDatabase() AND view IN ('recent_counts', 'past_counts')
)
