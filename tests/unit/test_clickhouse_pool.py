"""The pool gives a connection to one job at a time, and never loses one."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from nova_feed.local.clickhouse.errors import ClickHouseError
from nova_feed.local.clickhouse.pool import Pool


class FakeConnection:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


CONNECTIONS = 2


@pytest.fixture
def connections() -> list[FakeConnection]:
    return [FakeConnection() for _ in range(CONNECTIONS)]


@pytest.fixture
def pool(connections: list[FakeConnection]) -> Iterator[Pool[FakeConnection]]:
    pool = Pool(connections, queue_limit=1)
    yield pool
    pool.close()


def fail(connection: FakeConnection) -> None:
    raise ValueError(connection)


def test_jobs_run_at_the_same_time_each_with_its_own_connection(pool: Pool[FakeConnection]) -> None:
    together = threading.Barrier(CONNECTIONS, timeout=5)

    def meet(connection: FakeConnection) -> FakeConnection:
        together.wait()
        return connection

    first, second = pool.submit(meet), pool.submit(meet)
    assert first.result() is not second.result()


def test_a_job_beyond_the_queue_is_refused(pool: Pool[FakeConnection]) -> None:
    go = threading.Event()
    jobs = [pool.submit(lambda _: go.wait(5)) for _ in range(CONNECTIONS + 1)]
    with pytest.raises(ClickHouseError) as caught:
        pool.submit(lambda _: None)
    assert caught.value.code == 202
    go.set()
    assert all(job.result() for job in jobs)


def test_a_job_that_fails_gives_its_connection_back(pool: Pool[FakeConnection]) -> None:
    for _ in range(10):
        with pytest.raises(ValueError, match="FakeConnection"):
            pool.submit(fail).result()
    assert pool.submit(lambda connection: connection.closed).result() is False


def test_a_job_that_is_cancelled_while_it_waits_never_runs(pool: Pool[FakeConnection]) -> None:
    go, ran = threading.Event(), threading.Event()
    busy = [pool.submit(lambda _: go.wait(5)) for _ in range(CONNECTIONS)]
    waiting = pool.submit(lambda _: ran.set())
    assert waiting.cancel()
    go.set()
    assert all(job.result() for job in busy)
    pool.submit(lambda _: None).result()
    assert not ran.is_set()


def test_closing_waits_for_the_jobs_and_closes_every_connection(connections: list[FakeConnection]) -> None:
    pool = Pool(connections, queue_limit=1)
    job = pool.submit(lambda connection: connection.closed)
    pool.close()
    assert job.result() is False
    assert all(connection.closed for connection in connections)
