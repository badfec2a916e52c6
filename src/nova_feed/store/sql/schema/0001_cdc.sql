-- Captured tables. Every row's version is the Kafka offset of its record: Debezium's order for one key within one
-- partition. (An LSN would not do: a row of a transaction that was open during the snapshot carries a lower one than the
-- snapshot's stale copy.) Records arrive as raw bytes and are parsed by a view that cannot
-- throw.
CREATE TABLE IF NOT EXISTS cdc_queue (raw String)
ENGINE = Kafka
SETTINGS kafka_broker_list = '${KAFKA_BROKERS}',
    kafka_topic_list = 'cdc.users,cdc.posts,cdc.follows,cdc.comments,cdc.likes,cdc.blocks,cdc.mutes,cdc.nova_heartbeat',
    kafka_group_name = 'nova_cdc',
    kafka_format = 'RawBLOB',
    kafka_num_consumers = ${KAFKA_CONSUMERS},
    kafka_handle_error_mode = 'stream',
    kafka_flush_interval_ms = 250,
    kafka_poll_timeout_ms = 100,
    kafka_consumer_reschedule_ms = 50,
    kafka_max_block_size = 65536;

CREATE TABLE IF NOT EXISTS users (
    id         Int64,
    username   String,
    created_at DateTime64(3, 'UTC'),
    deleted    UInt8,
    _version   UInt64
) ENGINE = ReplacingMergeTree(_version, deleted) ORDER BY id;

-- Posts are made in the order of their ids, so that those of some days lie together.
CREATE TABLE IF NOT EXISTS posts (
    id         Int64,
    author_id  Int64,
    created_at DateTime64(3, 'UTC'),
    deleted    UInt8,
    _version   UInt64,
    INDEX created created_at TYPE minmax GRANULARITY 1
) ENGINE = ReplacingMergeTree(_version, deleted) ORDER BY id;

-- Read by viewer, some hundred rows at a time.
CREATE TABLE IF NOT EXISTS follows (
    follower_id Int64,
    followee_id Int64,
    created_at  DateTime64(3, 'UTC'),
    deleted     UInt8,
    _version    UInt64
) ENGINE = ReplacingMergeTree(_version, deleted) ORDER BY (follower_id, followee_id) SETTINGS index_granularity = 256;

CREATE TABLE IF NOT EXISTS comments (
    id         Int64,
    post_id    Int64,
    user_id    Int64,
    created_at DateTime64(3, 'UTC'),
    deleted    UInt8,
    _version   UInt64
) ENGINE = ReplacingMergeTree(_version, deleted) ORDER BY (post_id, id);

CREATE TABLE IF NOT EXISTS likes (
    id         Int64,
    post_id    Int64,
    user_id    Int64,
    created_at DateTime64(3, 'UTC'),
    deleted    UInt8,
    _version   UInt64
) ENGINE = ReplacingMergeTree(_version, deleted) ORDER BY (post_id, id);

CREATE TABLE IF NOT EXISTS blocks (
    blocker_id Int64,
    blocked_id Int64,
    created_at DateTime64(3, 'UTC'),
    deleted    UInt8,
    _version   UInt64
) ENGINE = ReplacingMergeTree(_version, deleted) ORDER BY (blocker_id, blocked_id);

CREATE TABLE IF NOT EXISTS mutes (
    muter_id   Int64,
    muted_id   Int64,
    created_at DateTime64(3, 'UTC'),
    deleted    UInt8,
    _version   UInt64
) ENGINE = ReplacingMergeTree(_version, deleted) ORDER BY (muter_id, muted_id);

CREATE TABLE IF NOT EXISTS heartbeat (
    id         Int64,
    created_at DateTime64(3, 'UTC'),
    deleted    UInt8,
    _version   UInt64
) ENGINE = ReplacingMergeTree(_version, deleted) ORDER BY id;

-- What no view could read, with where it came from. Kept for two weeks.
CREATE TABLE IF NOT EXISTS bad_rows (
    topic      LowCardinality(String),
    partition  UInt64,
    offset     UInt64,
    raw        String,
    seen_at    DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplacingMergeTree ORDER BY (topic, partition, offset) TTL toDateTime(seen_at) + INTERVAL 14 DAY;

-- Every record is parsed once, here, and kept by nobody (engine Null): the views below read from it. ``good`` says
-- whether the key is there and, unless the row was deleted, every other column too; and whether it was deleted or not.
CREATE TABLE IF NOT EXISTS cdc_parsed (
    topic LowCardinality(String), partition UInt64, offset UInt64, raw String,
    id Nullable(Int64), author_id Nullable(Int64), post_id Nullable(Int64), user_id Nullable(Int64),
    follower_id Nullable(Int64), followee_id Nullable(Int64), blocker_id Nullable(Int64), blocked_id Nullable(Int64),
    muter_id Nullable(Int64), muted_id Nullable(Int64), username Nullable(String),
    at Nullable(DateTime64(3, 'UTC')), gone UInt8, good UInt8
) ENGINE = Null;

CREATE MATERIALIZED VIEW IF NOT EXISTS cdc_parse TO cdc_parsed AS
WITH JSONExtract(raw, 'Tuple(id Nullable(Int64), author_id Nullable(Int64), post_id Nullable(Int64), user_id Nullable(Int64), follower_id Nullable(Int64), followee_id Nullable(Int64), blocker_id Nullable(Int64), blocked_id Nullable(Int64), muter_id Nullable(Int64), muted_id Nullable(Int64), username Nullable(String), created_at Nullable(String), beat_at Nullable(String), __deleted Nullable(String))') AS j
SELECT _topic AS topic, _partition AS partition, _offset AS offset, raw,
    j.1 AS id, j.2 AS author_id, j.3 AS post_id, j.4 AS user_id, j.5 AS follower_id, j.6 AS followee_id,
    j.7 AS blocker_id, j.8 AS blocked_id, j.9 AS muter_id, j.10 AS muted_id, j.11 AS username,
    parseDateTime64BestEffortOrNull(coalesce(j.12, j.13, ''), 3, 'UTC') AS at,
    ifNull(j.14, '') = 'true' AS gone,
    ifNull(j.14, 'false') IN ('true', 'false') AND multiIf(
        topic = 'cdc.users', id IS NOT NULL AND (gone OR (username IS NOT NULL AND at IS NOT NULL)),
        topic = 'cdc.posts', id IS NOT NULL AND (gone OR (author_id IS NOT NULL AND at IS NOT NULL)),
        topic = 'cdc.follows', follower_id IS NOT NULL AND followee_id IS NOT NULL AND (gone OR at IS NOT NULL),
        topic = 'cdc.comments', id IS NOT NULL AND post_id IS NOT NULL AND (gone OR (user_id IS NOT NULL AND at IS NOT NULL)),
        topic = 'cdc.likes', id IS NOT NULL AND post_id IS NOT NULL AND (gone OR (user_id IS NOT NULL AND at IS NOT NULL)),
        topic = 'cdc.blocks', blocker_id IS NOT NULL AND blocked_id IS NOT NULL AND (gone OR at IS NOT NULL),
        topic = 'cdc.mutes', muter_id IS NOT NULL AND muted_id IS NOT NULL AND (gone OR at IS NOT NULL),
        topic = 'cdc.nova_heartbeat', id IS NOT NULL AND at IS NOT NULL,
        0) AS good
FROM cdc_queue;

CREATE MATERIALIZED VIEW IF NOT EXISTS cdc_to_bad_rows TO bad_rows AS
SELECT topic, partition, offset, substring(raw, 1, 65536) AS raw FROM cdc_parsed WHERE NOT good;

CREATE MATERIALIZED VIEW IF NOT EXISTS cdc_to_users TO users AS
SELECT assumeNotNull(id) AS id, ifNull(username, '') AS username,
    ifNull(at, toDateTime64(0, 3, 'UTC')) AS created_at, gone AS deleted, offset AS _version
FROM cdc_parsed WHERE topic = 'cdc.users' AND good;

CREATE MATERIALIZED VIEW IF NOT EXISTS cdc_to_posts TO posts AS
SELECT assumeNotNull(id) AS id, ifNull(author_id, 0) AS author_id,
    ifNull(at, toDateTime64(0, 3, 'UTC')) AS created_at, gone AS deleted, offset AS _version
FROM cdc_parsed WHERE topic = 'cdc.posts' AND good;

CREATE MATERIALIZED VIEW IF NOT EXISTS cdc_to_follows TO follows AS
SELECT assumeNotNull(follower_id) AS follower_id, assumeNotNull(followee_id) AS followee_id,
    ifNull(at, toDateTime64(0, 3, 'UTC')) AS created_at, gone AS deleted, offset AS _version
FROM cdc_parsed WHERE topic = 'cdc.follows' AND good;

CREATE MATERIALIZED VIEW IF NOT EXISTS cdc_to_comments TO comments AS
SELECT assumeNotNull(id) AS id, assumeNotNull(post_id) AS post_id, ifNull(user_id, 0) AS user_id,
    ifNull(at, toDateTime64(0, 3, 'UTC')) AS created_at, gone AS deleted, offset AS _version
FROM cdc_parsed WHERE topic = 'cdc.comments' AND good;

CREATE MATERIALIZED VIEW IF NOT EXISTS cdc_to_likes TO likes AS
SELECT assumeNotNull(id) AS id, assumeNotNull(post_id) AS post_id, ifNull(user_id, 0) AS user_id,
    ifNull(at, toDateTime64(0, 3, 'UTC')) AS created_at, gone AS deleted, offset AS _version
FROM cdc_parsed WHERE topic = 'cdc.likes' AND good;

CREATE MATERIALIZED VIEW IF NOT EXISTS cdc_to_blocks TO blocks AS
SELECT assumeNotNull(blocker_id) AS blocker_id, assumeNotNull(blocked_id) AS blocked_id,
    ifNull(at, toDateTime64(0, 3, 'UTC')) AS created_at, gone AS deleted, offset AS _version
FROM cdc_parsed WHERE topic = 'cdc.blocks' AND good;

CREATE MATERIALIZED VIEW IF NOT EXISTS cdc_to_mutes TO mutes AS
SELECT assumeNotNull(muter_id) AS muter_id, assumeNotNull(muted_id) AS muted_id,
    ifNull(at, toDateTime64(0, 3, 'UTC')) AS created_at, gone AS deleted, offset AS _version
FROM cdc_parsed WHERE topic = 'cdc.mutes' AND good;

CREATE MATERIALIZED VIEW IF NOT EXISTS cdc_to_heartbeat TO heartbeat AS
SELECT assumeNotNull(id) AS id, assumeNotNull(at) AS created_at, toUInt8(0) AS deleted, offset AS _version
FROM cdc_parsed WHERE topic = 'cdc.nova_heartbeat' AND good;
