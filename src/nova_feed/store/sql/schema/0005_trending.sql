-- What trending and suggestions read, apart from the ranker's tables.

-- Likes, comments and shares of the last days, by their own day: a window of an hour reads a day or two, never the whole
-- history, and a window is exact to the millisecond. weight: 1 like, 2 comment, 3 share. An unlike is a newer version of
-- its like (deleted rows arrive whole, with the day they lie in); a share is its seq, so a replay changes nothing.
CREATE TABLE IF NOT EXISTS recent_engagement (
    post_id  Int64,
    weight   UInt8,
    id       Int64,
    at       DateTime64(3, 'UTC'),
    deleted  UInt8,
    _version UInt64
) ENGINE = ReplacingMergeTree(_version, deleted)
PARTITION BY toYYYYMMDD(at)
ORDER BY (post_id, weight, id)
TTL toDateTime(at) + INTERVAL 8 DAY
SETTINGS ttl_only_drop_parts = 1;

-- Older rows are not let in: history arrives in blocks of more days than one insert may touch.
CREATE MATERIALIZED VIEW IF NOT EXISTS cdc_to_recent_engagement TO recent_engagement AS
SELECT assumeNotNull(post_id) AS post_id, toUInt8(if(topic = 'cdc.likes', 1, 2)) AS weight, assumeNotNull(id) AS id,
    assumeNotNull(cdc_parsed.at) AS at, gone AS deleted, offset AS _version
FROM cdc_parsed
WHERE topic IN ('cdc.likes', 'cdc.comments') AND good
    AND cdc_parsed.at BETWEEN now() - INTERVAL 8 DAY AND now() + INTERVAL 1 DAY;

CREATE MATERIALIZED VIEW IF NOT EXISTS events_to_recent_engagement TO recent_engagement AS
SELECT assumeNotNull(post_id) AS post_id, toUInt8(3) AS weight, toInt64(assumeNotNull(seq)) AS id,
    assumeNotNull(events_parsed.at) AS at, toUInt8(0) AS deleted, toUInt64(0) AS _version
FROM events_parsed
WHERE action = 'share' AND good
    AND events_parsed.at BETWEEN now() - INTERVAL 8 DAY AND now() + INTERVAL 1 DAY;

-- Follows from the other end: who follows this person.
CREATE TABLE IF NOT EXISTS followers (
    followee_id Int64,
    follower_id Int64,
    created_at  DateTime64(3, 'UTC'),
    deleted     UInt8,
    _version    UInt64
) ENGINE = ReplacingMergeTree(_version, deleted) ORDER BY (followee_id, follower_id) SETTINGS index_granularity = 1024;

CREATE MATERIALIZED VIEW IF NOT EXISTS cdc_to_followers TO followers AS
SELECT assumeNotNull(followee_id) AS followee_id, assumeNotNull(follower_id) AS follower_id,
    ifNull(at, toDateTime64(0, 3, 'UTC')) AS created_at, gone AS deleted, offset AS _version
FROM cdc_parsed WHERE topic = 'cdc.follows' AND good;

-- Who is followed most. Whom a thousand follow says little about the taste of one of them, and costs much to read.
CREATE MATERIALIZED VIEW IF NOT EXISTS popular_people REFRESH EVERY 5 MINUTE
ENGINE = MergeTree ORDER BY user_id SETTINGS index_granularity = 512
AS SELECT followee_id AS user_id, toInt64(count()) AS followers
FROM followers FINAL GROUP BY followee_id ORDER BY followers DESC, user_id LIMIT 100000;

-- The fifty who interacted most with an author: affinity from the other end.
CREATE MATERIALIZED VIEW IF NOT EXISTS readers REFRESH EVERY 5 MINUTE
ENGINE = MergeTree ORDER BY (author_id, user_id) SETTINGS index_granularity = 512
AS SELECT author_id, user_id, interactions
FROM affinity ORDER BY interactions DESC, user_id LIMIT 50 BY author_id;
