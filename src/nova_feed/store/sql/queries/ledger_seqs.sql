-- The seqs that are stored of the events accepted in one minute.
SELECT arrayJoin(bitmapToArray(groupBitmapMergeState(seqs))) AS seq
FROM events_ledger WHERE minute = toDateTime({minute_s:Int64}, 'UTC')
