"""The embedded engine of this process: one data folder, a pool of connections, and one more to cancel queries with."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from urllib.parse import urlencode

from nova_feed.errors import NovaError
from nova_feed.local.clickhouse.connection import Answer, Connection, Work
from nova_feed.local.clickhouse.connection import Engine as ChdbConnection
from nova_feed.local.clickhouse.parts import set_aside_parts_without_marks
from nova_feed.local.clickhouse.pool import Pool
from nova_feed.local.clickhouse.state import literal
from nova_feed.local.clickhouse.views import drop_empty_definitions, make_missing_tables

_SERVER_SETTINGS = {
    "mark_cache_size": 64 << 20,
    "index_mark_cache_size": 16 << 20,
    "uncompressed_cache_size": 0,
    "compiled_expression_cache_size": 32 << 20,
    "background_pool_size": 4,
    "background_move_pool_size": 1,
    "background_fetches_pool_size": 1,
    "background_common_pool_size": 2,
    # Refreshable views are rebuilt in this pool, of which one kind of work may take 0.8. The embedded default of 2 lets
    # one view wait for another: new counters for the rebuild of the affinity.
    "background_schedule_pool_size": 8,
    "background_message_broker_schedule_pool_size": 8,
    # A consumer that was killed holds its partitions for this long. (librdkafka's default is 45 s.)
    "kafka.session_timeout_ms": 6_000,
    "kafka.heartbeat_interval_ms": 1_500,
    # Without these every record that arrives is an answer of its own to each of the three groups.
    "kafka.fetch_min_bytes": 1 << 18,
    "kafka.fetch_wait_max_ms": 100,
}


class EngineError(NovaError):
    """The engine cannot be started on this folder."""


@dataclass(frozen=True, slots=True)
class Options:
    """How large the engine may become. Memory and results in bytes."""

    connections: int = 8
    queue: int = 256
    memory: int = 1_500_000_000
    result: int = 256 << 20


class Engine:
    """Runs statements. Thread-safe."""

    def __init__(self, folder: Path, options: Options) -> None:
        """Open or create the database in ``folder``. Raises EngineError. Only one engine can live in a process."""
        drop_empty_definitions(folder)
        set_aside_parts_without_marks(folder)
        connect = _connector(folder, options.memory)
        base = {
            "implicit_select": "0",  # an expression alone is a statement to chdb, and a syntax error to ClickHouse
            "max_query_size": str(64 << 20),  # the server checks the size itself: parameters come as statements here
            "max_result_bytes": str(options.result),
            "result_overflow_mode": "throw",
        }
        self._control, self._control_lock = connect(), threading.Lock()
        make_missing_tables(lambda sql: self._control.query(sql, "TSVRaw").bytes().decode())
        connections = [Connection(connect, base, options.result) for _ in range(options.connections)]
        self._pool = Pool(connections, options.queue)

    def submit(self, work: Work) -> Future[Answer]:
        """Queue ``work``. Its future raises ClickHouseError; so does this method when the queue is full."""
        return self._pool.submit(lambda connection: connection.execute(work))

    def cancel(self, tag: str) -> None:
        """End the statement whose text starts with ``tag``; nothing happens when none runs."""
        with self._control_lock:
            self._control.query(f"KILL QUERY WHERE startsWith(query, {literal(tag)}) ASYNC", "Null")

    def close(self) -> None:
        """Wait for what runs, then write out and end the engine."""
        self._pool.close()
        with self._control_lock:
            self._leave_consumer_groups()
            self._control.close()

    def _leave_consumer_groups(self) -> None:
        """Without this the broker waits for the consumers of an engine that is gone, and the next one gets nothing."""
        tables = "SELECT format('{}.{}', `database`, name) FROM system.tables WHERE engine = 'Kafka'"
        for name in self._control.query(tables, "TSV").bytes().decode().split():
            self._control.query(f"DETACH TABLE {name}", "Null")


def _connector(folder: Path, memory: int) -> Callable[[], ChdbConnection]:
    import chdb  # here, because it takes the time zone of the process when it is loaded

    if "?" in str(folder):
        raise EngineError(f"the data folder's name cannot contain a question mark: {folder}")
    settings = _SERVER_SETTINGS | {"max_server_memory_usage": memory}

    def connect() -> ChdbConnection:
        try:
            return cast(ChdbConnection, chdb.connect(f"{folder}?{urlencode(settings)}"))
        except RuntimeError as error:
            raise EngineError(f"ClickHouse does not start on {folder}: {error}") from error

    return connect
