-- A checksum of all events accepted before a moment, each once: equal before and after a replay.
SELECT toInt64(count()) AS events, groupBitXor(cityHash64(seq, post_id, user_id, author_id, action, event_time)) AS checksum
FROM events FINAL WHERE accepted_at < fromUnixTimestamp64Milli({before_ms:Int64}, 'UTC')
