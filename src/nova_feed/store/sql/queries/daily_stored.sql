-- The row of a day, when it was written.
SELECT as_of_ms, events, distinct_events, viewers, impressions, clicks, engagements, recommended_impressions,
    recommended_clicks, dwells, dwell_p50_ms, dwell_p95_ms, canary_minutes
FROM daily_metrics FINAL WHERE day = {day:Date}
