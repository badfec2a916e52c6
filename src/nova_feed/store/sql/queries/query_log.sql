-- Finished queries of the last hours by normalised text: how often, how long (ms), and what one of them reads.
SELECT normalizeQuery(any(query)) AS text, toInt64(count()) AS count,
    toInt64(countIf(query_duration_ms > {slow_ms:Float64})) AS slow,
    toFloat64(quantile(0.5)(query_duration_ms)) AS p50_ms, toFloat64(quantile(0.95)(query_duration_ms)) AS p95_ms,
    toFloat64(quantile(0.99)(query_duration_ms)) AS p99_ms, toFloat64(sum(query_duration_ms)) AS total_ms,
    toFloat64(avg(read_rows)) AS read_rows, toFloat64(avg(read_bytes)) AS read_bytes
FROM {database:Identifier}.{log:Identifier}
WHERE type = 'QueryFinish' AND event_time >= now() - toIntervalHour({hours:UInt16}) AND current_database = currentDatabase()
GROUP BY normalized_query_hash ORDER BY total_ms DESC LIMIT 200
