-- What is stored of the events accepted in some minutes: how many, the sum (mod 2^64) and the xor of their seqs.
WITH bitmapToArray(groupBitmapMergeState(seqs)) AS stored
SELECT toInt64(toUnixTimestamp(minute)) AS minute_s, toInt64(length(stored)) AS events,
    arraySum(stored) AS seq_sum, arrayReduce('groupBitXor', stored) AS seq_xor
FROM events_ledger
WHERE minute BETWEEN toDateTime({from_s:Int64}, 'UTC') AND toDateTime({to_s:Int64}, 'UTC')
GROUP BY minute ORDER BY minute
