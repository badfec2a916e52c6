"""N connections, each used by one thread at a time, and a bounded queue before them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Protocol, TypeVar

from nova_feed.local.clickhouse.errors import ClickHouseError, Code


class Closable(Protocol):
    """What a pool holds."""

    def close(self) -> None: ...


C = TypeVar("C", bound=Closable)
R = TypeVar("R")


class Pool(Generic[C]):
    """Runs jobs on its connections in threads, first come, first served.

    A job must leave its connection usable whatever happens. A job that has started runs to its end even when nobody
    waits for it any more: a connection is never given to two jobs.
    """

    def __init__(self, connections: Sequence[C], queue_limit: int) -> None:
        # A stack: the connection used last has its settings as the next request most likely wants them.
        self._idle: deque[C] = deque(connections)
        self._all = tuple(connections)
        self._room = threading.BoundedSemaphore(len(connections) + queue_limit)
        self._limit = len(connections) + queue_limit
        self._threads = ThreadPoolExecutor(len(connections), thread_name_prefix="clickhouse")

    def submit(self, job: Callable[[C], R]) -> Future[R]:
        """Run ``job`` on the next connection that is free; a future that is cancelled in time never runs.

        Raises ClickHouseError (TOO_MANY_SIMULTANEOUS_QUERIES) when the queue is full.
        """
        if not self._room.acquire(blocking=False):
            raise ClickHouseError.of(
                Code.TOO_MANY_SIMULTANEOUS_QUERIES, f"Too many simultaneous queries. Maximum: {self._limit}"
            )
        future = self._threads.submit(self._work, job)
        future.add_done_callback(lambda _: self._room.release())
        return future

    def close(self) -> None:
        """Wait for the jobs that run, drop those that wait, close every connection."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        for connection in self._all:
            connection.close()

    def _work(self, job: Callable[[C], R]) -> R:
        connection = self._idle.pop()
        try:
            return job(connection)
        finally:
            self._idle.append(connection)
