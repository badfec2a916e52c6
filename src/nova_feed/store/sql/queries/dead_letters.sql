-- Bad rows that have not gone to a dead-letter topic yet, the oldest first.
SELECT CAST(topic AS String) AS topic, toInt64(partition) AS partition, toInt64(offset) AS offset, base64Encode(raw) AS raw
FROM bad_rows FINAL
WHERE (topic, partition, offset) NOT IN (SELECT topic, partition, offset FROM bad_rows_sent)
ORDER BY seen_at LIMIT {most:UInt32}
