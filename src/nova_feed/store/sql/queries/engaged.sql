-- The posts with the most engagement within the last so many seconds, counted within them: likes + 2 comments + 3 shares.
SELECT post_id, toInt64(countIf(weight = 1)) AS likes, toInt64(countIf(weight = 2)) AS comments,
    toInt64(countIf(weight = 3)) AS shares
FROM recent_engagement FINAL
WHERE at > now64(3) - toIntervalSecond({window_s:Int64}) AND at <= now64(3) + INTERVAL 5 MINUTE
GROUP BY post_id
ORDER BY likes + 2 * comments + 3 * shares DESC, post_id DESC
LIMIT 2000
