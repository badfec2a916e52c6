-- The same as ledger.sql, from the events themselves; and how many rows are on disk (more: received twice).
SELECT minute_s, toInt64(count()) AS events, sum(seq) AS seq_sum, groupBitXor(seq) AS seq_xor, toInt64(sum(n)) AS on_disk
FROM (
    SELECT toInt64(toUnixTimestamp(toStartOfMinute(accepted_at))) AS minute_s, seq, count() AS n
    FROM events
    WHERE accepted_at >= toDateTime({from_s:Int64}, 'UTC') AND accepted_at < toDateTime({to_s:Int64} + 60, 'UTC')
    GROUP BY minute_s, seq
)
GROUP BY minute_s ORDER BY minute_s
