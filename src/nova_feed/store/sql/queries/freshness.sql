-- When ClickHouse last saw a change of PostgreSQL (its heartbeat row), and when the counters were last swapped.
SELECT ifNull((SELECT toUnixTimestamp64Milli(max(created_at)) FROM heartbeat), 0) AS heartbeat_ms,
    ifNull((SELECT toInt64(toUnixTimestamp(max(last_success_time))) * 1000 FROM system.view_refreshes
     WHERE database = currentDatabase() AND view = 'hot_posts'), 0) AS counters_ms
