-- ClickHouse users of a real server (the embedded one has none): the API reads named tables, cannot write, cannot reach
-- out (url, s3, file and the like are SOURCES, which are not granted), and no query of it runs away with the server.
-- Run once by an administrator after `nova migrate`; replace the passwords. Each process gets its own CLICKHOUSE_URL.
-- The API sets max_execution_time with each query, within the bounds below.
CREATE SETTINGS PROFILE IF NOT EXISTS nova_api SETTINGS
    readonly = 2,
    max_execution_time = 2 MIN 0.01 MAX 60,
    max_memory_usage = 1000000000 MAX 2000000000,
    max_result_rows = 2000000 MAX 2000000,
    max_threads = 4 MAX 8,
    allow_ddl = 0 CONST,
    allow_introspection_functions = 0 CONST;
CREATE USER IF NOT EXISTS nova_api IDENTIFIED WITH sha256_password BY 'change-me' SETTINGS PROFILE 'nova_api';
GRANT SELECT ON nova.* TO nova_api;
REVOKE SELECT ON nova.cdc_queue FROM nova_api;
REVOKE SELECT ON nova.events_queue FROM nova_api;
REVOKE SELECT ON nova.recent_queue FROM nova_api;

-- The worker: refreshes views, records what it sent to dead letters and each day's metrics, reads everything of the
-- database, which parts its tables have, how old its views and how full the server's disks are.
CREATE USER IF NOT EXISTS nova_worker IDENTIFIED WITH sha256_password BY 'change-me';
GRANT SELECT, SYSTEM VIEWS ON nova.* TO nova_worker;
GRANT INSERT ON nova.bad_rows_sent TO nova_worker;
GRANT INSERT ON nova.daily_metrics TO nova_worker;
GRANT SELECT ON system.view_refreshes TO nova_worker;
GRANT SELECT ON system.disks TO nova_worker;
GRANT SELECT ON system.parts TO nova_worker;
