-- What was said with these keys before, on the day of the event or on a day that guards it.
SELECT key, digest FROM nova_events_seen
JOIN unnest($1::uuid[], $2::date[]) AS asked (key, day) USING (key) WHERE event_day IN (day, day - 1)
