-- How many records of each topic no view could read in the last two weeks.
SELECT CAST(topic AS String) AS topic, toInt64(count()) AS n FROM bad_rows FINAL GROUP BY topic
