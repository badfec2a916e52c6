-- Bad rows that have not gone to a dead-letter topic yet, the oldest first. The bytes are read for these rows alone.
SELECT CAST(topic AS String) AS topic, toInt64(partition) AS partition, toInt64(offset) AS offset, base64Encode(raw) AS raw
FROM bad_rows FINAL
WHERE (topic, partition, offset) IN (
    SELECT topic, partition, offset FROM bad_rows
    WHERE (topic, partition, offset) NOT IN (SELECT topic, partition, offset FROM bad_rows_sent)
    GROUP BY topic, partition, offset ORDER BY min(seen_at), topic, partition, offset LIMIT {most:UInt32}
)
ORDER BY seen_at, topic, partition, offset
