-- Views that ClickHouse has stopped because a rebuild could not even begin (a full disk, say): they stay so until started.
-- What an operator stopped has no exception.
SELECT CAST(view AS String) AS view, CAST(assumeNotNull(exception) AS String) AS reason
FROM system.view_refreshes
WHERE database = currentDatabase() AND status = 'Disabled' AND notEmpty(assumeNotNull(exception))
