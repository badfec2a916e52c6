-- How many counts of a post within an hour, and of a pair on a day, are not what the events themselves say.
WITH
    by_post AS (
        SELECT post_id, toStartOfHour(event_time) AS at, uniqExactIf(seq, action = 'impression') AS a,
            uniqExactIf(seq, action = 'view') AS b, uniqExactIf(seq, action = 'click') AS c,
            uniqExactIf(seq, action = 'like') AS d, uniqExactIf(seq, action = 'comment') AS e,
            uniqExactIf(seq, action = 'share') AS f
        FROM events WHERE event_time >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC')) GROUP BY post_id, at
    ),
    post_counts AS (
        SELECT post_id, window_start AS at, uniqExactMerge(impressions) AS a, uniqExactMerge(views) AS b,
            uniqExactMerge(clicks) AS c, uniqExactMerge(likes) AS d, uniqExactMerge(comments) AS e,
            uniqExactMerge(shares) AS f
        FROM post_metrics_1h WHERE window_start >= toStartOfHour(toDateTime({from_s:Int64}, 'UTC')) GROUP BY post_id, at
    ),
    by_pair AS (
        SELECT user_id, author_id, toDate(event_time) AS at, uniqExact(seq) AS a FROM events
        WHERE action IN ('view', 'click', 'share', 'dwell')
            AND event_time >= toStartOfDay(toDateTime({from_s:Int64}, 'UTC')) GROUP BY user_id, author_id, at
    ),
    pair_counts AS (
        SELECT user_id, author_id, day AS at, uniqExactMerge(interactions) AS a
        FROM user_author_90d WHERE day >= toDate(toDateTime({from_s:Int64}, 'UTC')) GROUP BY user_id, author_id, at
    )
SELECT toInt64(sum(n)) AS n FROM (
    SELECT count() AS n FROM by_post FULL JOIN post_counts USING (post_id, at)
    WHERE (by_post.a, by_post.b, by_post.c, by_post.d, by_post.e, by_post.f)
        != (post_counts.a, post_counts.b, post_counts.c, post_counts.d, post_counts.e, post_counts.f)
    UNION ALL
    SELECT count() AS n FROM by_pair FULL JOIN pair_counts USING (user_id, author_id, at) WHERE by_pair.a != pair_counts.a
)
