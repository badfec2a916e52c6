-- How many records of the last two weeks no view could read.
SELECT toInt64(count()) AS n FROM bad_rows FINAL
