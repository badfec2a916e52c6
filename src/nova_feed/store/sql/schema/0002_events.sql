-- Client events. ``seq`` is the identity PostgreSQL gave the event when it was accepted: the engine delivers at least
-- once, so everything here is keyed by it, and no counter is ever a sum.
CREATE TABLE IF NOT EXISTS events_queue (raw String)
ENGINE = Kafka
SETTINGS kafka_broker_list = '${KAFKA_BROKERS}',
    kafka_topic_list = 'events',
    kafka_group_name = 'events_group',
    kafka_format = 'RawBLOB',
    kafka_num_consumers = ${KAFKA_CONSUMERS},
    kafka_handle_error_mode = 'stream',
    kafka_flush_interval_ms = 1000,
    kafka_poll_timeout_ms = 100,
    kafka_consumer_reschedule_ms = 50,
    kafka_max_block_size = 65536;

CREATE TABLE IF NOT EXISTS events (
    seq         UInt64,
    accepted_at DateTime64(3, 'UTC'),
    event_id    String,
    event_time  DateTime64(3, 'UTC'),
    user_id     Int64,
    post_id     Int64,
    author_id   Int64,
    action      LowCardinality(String),
    dwell_ms    UInt32,
    device      LowCardinality(String),
    app_ver     LowCardinality(String)
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMMDD(event_time)
ORDER BY (post_id, action, seq)
TTL toDateTime(event_time) + INTERVAL 30 DAY
SETTINGS ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS post_metrics_1h (
    post_id      Int64,
    window_start DateTime('UTC'),
    impressions  AggregateFunction(uniqExact, UInt64),
    views        AggregateFunction(uniqExact, UInt64),
    clicks       AggregateFunction(uniqExact, UInt64),
    likes        AggregateFunction(uniqExact, UInt64),
    comments     AggregateFunction(uniqExact, UInt64),
    shares       AggregateFunction(uniqExact, UInt64)
) ENGINE = AggregatingMergeTree
ORDER BY (post_id, window_start)
TTL window_start + INTERVAL 90 DAY;

CREATE TABLE IF NOT EXISTS user_author_90d (
    user_id      Int64,
    author_id    Int64,
    day          Date,
    interactions AggregateFunction(uniqExact, UInt64),
    last_at      SimpleAggregateFunction(max, DateTime64(3, 'UTC'))
) ENGINE = AggregatingMergeTree
ORDER BY (user_id, author_id, day)
TTL day + INTERVAL 120 DAY;

-- What the reconciler compares with PostgreSQL: the seqs by minute of acceptance.
CREATE TABLE IF NOT EXISTS events_ledger (
    minute DateTime('UTC'),
    seqs   AggregateFunction(groupBitmap, UInt64)
) ENGINE = AggregatingMergeTree
ORDER BY minute
TTL minute + INTERVAL 8 DAY;

CREATE TABLE IF NOT EXISTS events_parsed (
    topic LowCardinality(String), partition UInt64, offset UInt64, raw String,
    seq Nullable(UInt64), accepted_at Nullable(DateTime64(3, 'UTC')),
    event_id String, at Nullable(DateTime64(3, 'UTC')),
    user_id Nullable(Int64), post_id Nullable(Int64), author_id Nullable(Int64),
    action String, dwell_ms UInt32, device String, app_ver String, good UInt8
) ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS events_parse TO events_parsed AS
WITH JSONExtract(raw, 'Tuple(seq Nullable(UInt64), accepted_at Nullable(Int64), event_id Nullable(String), event_time Nullable(Int64), user_id Nullable(Int64), post_id Nullable(Int64), author_id Nullable(Int64), action Nullable(String), dwell_ms Nullable(UInt32), device Nullable(String), app_ver Nullable(String))') AS j
SELECT _topic AS topic, _partition AS partition, _offset AS offset, raw,
    j.1 AS seq,
    if(j.2 BETWEEN 1 AND 4102444800000, fromUnixTimestamp64Milli(assumeNotNull(j.2), 'UTC'), NULL) AS accepted_at,
    ifNull(j.3, '') AS event_id,
    if(j.4 BETWEEN 1 AND 4102444800000, fromUnixTimestamp64Milli(assumeNotNull(j.4), 'UTC'), NULL) AS at,
    j.5 AS user_id, j.6 AS post_id, j.7 AS author_id,
    ifNull(j.8, '') AS action, ifNull(j.9, 0) AS dwell_ms, ifNull(j.10, '') AS device, ifNull(j.11, '') AS app_ver,
    ifNull(seq > 0 AND user_id > 0 AND post_id > 0 AND author_id IS NOT NULL
        -- Times within what the table keeps: a block with rows of more than 100 days would be refused, and stop all.
        AND accepted_at BETWEEN now() - INTERVAL 30 DAY AND now() + INTERVAL 1 DAY
        AND at BETWEEN accepted_at - INTERVAL 2 DAY AND accepted_at + INTERVAL 1 DAY
        AND action IN ('impression', 'view', 'click', 'like', 'comment', 'share', 'dwell', 'hide'), 0) AS good
FROM events_queue;

CREATE MATERIALIZED VIEW IF NOT EXISTS events_to_bad_rows TO bad_rows AS
SELECT topic, partition, offset, substring(raw, 1, 65536) AS raw FROM events_parsed WHERE NOT ifNull(good, 0);

CREATE MATERIALIZED VIEW IF NOT EXISTS events_to_events TO events AS
SELECT assumeNotNull(seq) AS seq, assumeNotNull(accepted_at) AS accepted_at, event_id,
    assumeNotNull(at) AS event_time, assumeNotNull(user_id) AS user_id, assumeNotNull(post_id) AS post_id,
    assumeNotNull(author_id) AS author_id, action, dwell_ms, device, app_ver
FROM events_parsed WHERE good;

CREATE MATERIALIZED VIEW IF NOT EXISTS events_to_post_metrics TO post_metrics_1h AS
SELECT assumeNotNull(post_id) AS post_id, toStartOfHour(assumeNotNull(at)) AS window_start,
    uniqExactStateIf(assumeNotNull(seq), action = 'impression') AS impressions,
    uniqExactStateIf(assumeNotNull(seq), action = 'view') AS views,
    uniqExactStateIf(assumeNotNull(seq), action = 'click') AS clicks,
    uniqExactStateIf(assumeNotNull(seq), action = 'like') AS likes,
    uniqExactStateIf(assumeNotNull(seq), action = 'comment') AS comments,
    uniqExactStateIf(assumeNotNull(seq), action = 'share') AS shares
FROM events_parsed WHERE good GROUP BY post_id, window_start;

-- An impression is no interaction, and hiding a post is none that speaks for its author.
CREATE MATERIALIZED VIEW IF NOT EXISTS events_to_user_author TO user_author_90d AS
SELECT assumeNotNull(user_id) AS user_id, assumeNotNull(author_id) AS author_id, toDate(assumeNotNull(at)) AS day,
    uniqExactState(assumeNotNull(seq)) AS interactions, max(assumeNotNull(at)) AS last_at
FROM events_parsed WHERE good AND action IN ('view', 'click', 'share', 'dwell')
GROUP BY user_id, author_id, day;

CREATE MATERIALIZED VIEW IF NOT EXISTS events_to_ledger TO events_ledger AS
SELECT toStartOfMinute(assumeNotNull(accepted_at)) AS minute, groupBitmapState(assumeNotNull(seq)) AS seqs
FROM events_parsed WHERE good GROUP BY minute;

-- Impressions and shares of the last hours, one row each, by the minute of their own time.
CREATE TABLE IF NOT EXISTS recent_events (
    minute  DateTime('UTC'),
    post_id Int64,
    share   UInt8,
    seq     UInt64
) ENGINE = ReplacingMergeTree
PARTITION BY toStartOfHour(minute)
ORDER BY (minute, post_id, share, seq)
TTL minute + INTERVAL 6 HOUR
SETTINGS ttl_only_drop_parts = 1;

-- An insert costs each of the tables above about 15 ms of a processor, however few rows it has: they are written once a
-- second. What the ranker reads of an event is read once more, by a group of its own, and written up to twelve times a
-- second. Bad rows are the business of the other group.
CREATE TABLE IF NOT EXISTS recent_queue (raw String)
ENGINE = Kafka
SETTINGS kafka_broker_list = '${KAFKA_BROKERS}',
    kafka_topic_list = 'events',
    kafka_group_name = 'recent_group',
    kafka_format = 'RawBLOB',
    kafka_num_consumers = 1,
    kafka_handle_error_mode = 'stream',
    kafka_flush_interval_ms = 50,
    kafka_poll_timeout_ms = 20,
    kafka_consumer_reschedule_ms = 20,
    kafka_max_block_size = 65536;

CREATE MATERIALIZED VIEW IF NOT EXISTS recent_queue_to_recent TO recent_events AS
WITH JSONExtract(raw, 'Tuple(seq Nullable(UInt64), event_time Nullable(Int64), post_id Nullable(Int64), action Nullable(String))') AS j,
    if(j.2 BETWEEN 1 AND 4102444800000, fromUnixTimestamp64Milli(assumeNotNull(j.2), 'UTC'), NULL) AS at
SELECT toStartOfMinute(assumeNotNull(at)) AS minute, assumeNotNull(j.3) AS post_id, toUInt8(assumeNotNull(j.4) = 'share') AS share,
    assumeNotNull(j.1) AS seq
FROM recent_queue
WHERE ifNull(j.1 > 0 AND j.3 > 0 AND j.4 IN ('impression', 'share')
    AND at BETWEEN now() - INTERVAL 5 HOUR AND now() + INTERVAL 1 DAY, 0);

-- What comes late, because it was replayed or re-inserted, comes this way. A row that takes both is one: counts are sets.
CREATE MATERIALIZED VIEW IF NOT EXISTS events_to_recent TO recent_events AS
SELECT toStartOfMinute(assumeNotNull(at)) AS minute, assumeNotNull(post_id) AS post_id,
    toUInt8(action = 'share') AS share, assumeNotNull(seq) AS seq
FROM events_parsed
WHERE good AND action IN ('impression', 'share') AND at >= now() - INTERVAL 5 HOUR
    AND accepted_at < now() - INTERVAL 30 SECOND;
