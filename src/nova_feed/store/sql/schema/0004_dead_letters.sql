-- Which bad rows went to a dead-letter topic: each goes once, whatever is restarted.
CREATE TABLE IF NOT EXISTS bad_rows_sent (
    topic     LowCardinality(String),
    partition UInt64,
    offset    UInt64,
    sent_at   DateTime DEFAULT now()
) ENGINE = ReplacingMergeTree ORDER BY (topic, partition, offset) TTL sent_at + INTERVAL 21 DAY;
