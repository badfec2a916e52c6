-- One row a day: what people did, as counts, from which every rate follows. Written again it replaces itself.
CREATE TABLE IF NOT EXISTS daily_metrics (
    day                     Date,
    as_of_ms                Int64,
    events                  Int64,
    distinct_events         Int64,
    viewers                 Int64,
    impressions             Int64,
    clicks                  Int64,
    engagements             Int64,
    recommended_impressions Int64,
    recommended_clicks      Int64,
    dwells                  Int64,
    dwell_p50_ms            Int64,
    dwell_p95_ms            Int64,
    canary_minutes          Int64
) ENGINE = ReplacingMergeTree(as_of_ms) ORDER BY day;
