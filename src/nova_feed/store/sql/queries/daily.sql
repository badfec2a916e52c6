-- What people did on a day, by the time of their events, each event once. Recommended: of an author whom the viewer did
-- not follow by the end of that day (whom he followed and left is not recommended either: that a row was deleted is
-- kept, when is not). The canary is nobody, but its minutes say for how much of the day events came through.
WITH toDateTime64({day:Date}, 3, 'UTC') AS first, first + INTERVAL 1 DAY AS next,
    (action = 'impression') AS shown, (action = 'click') AS clicked
SELECT toInt64(countIf(NOT canary)) AS events,
    toInt64(uniqExactIf((user_id, event_id), NOT canary)) AS distinct_events,
    toInt64(uniqExactIf(user_id, NOT canary)) AS viewers,
    toInt64(countIf(shown AND NOT canary)) AS impressions,
    toInt64(countIf(clicked AND NOT canary)) AS clicks,
    toInt64(countIf(action IN ('like', 'comment', 'share') AND NOT canary)) AS engagements,
    toInt64(countIf(shown AND recommended AND NOT canary)) AS recommended_impressions,
    toInt64(countIf(clicked AND recommended AND NOT canary)) AS recommended_clicks,
    toInt64(countIf(dwell AND NOT canary)) AS dwells,
    toInt64(quantileExactIf(0.5)(dwell_ms, dwell AND NOT canary)) AS dwell_p50_ms,
    toInt64(quantileExactIf(0.95)(dwell_ms, dwell AND NOT canary)) AS dwell_p95_ms,
    toInt64(uniqExactIf(toStartOfMinute(accepted_at), canary)) AS canary_minutes
FROM (
    SELECT user_id, event_id, action, dwell_ms, accepted_at, action = 'dwell' AND dwell_ms > 0 AS dwell,
        user_id IN (SELECT id FROM users FINAL WHERE username IN {canaries:Array(String)}) AS canary,
        action IN ('impression', 'click')
            AND (user_id, author_id) NOT IN (SELECT follower_id, followee_id FROM follows WHERE created_at < next)
            AS recommended
    FROM events FINAL WHERE event_time >= first AND event_time < next
)
