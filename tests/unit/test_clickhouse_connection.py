"""A connection forgets every request, also the ones that failed."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from nova_feed.local.clickhouse.connection import Connection, Work
from nova_feed.local.clickhouse.errors import ClickHouseError
from nova_feed.local.clickhouse.state import State


@dataclass
class FakeResult:
    body: bytes = b"1\n"

    def bytes(self) -> bytes:
        return self.body

    def size(self) -> int:
        return len(self.body)

    def rows_read(self) -> int:
        return 1

    bytes_read = storage_rows_read = storage_bytes_read = rows_read

    def elapsed(self) -> float:
        return 0.5


@dataclass
class FakeEngine:
    """Remembers what it was told; fails on ``bad``, as chdb does."""

    queries: list[str] = field(default_factory=list)
    closed: bool = False

    def query(self, query: str | bytes, form: str) -> FakeResult:
        text = query.decode() if isinstance(query, bytes) else query
        self.queries.append(text)
        if "bad" in text:
            raise RuntimeError("Code: 60. DB::Exception: no table. (UNKNOWN_TABLE)")
        return FakeResult(b"x" * 20 if "large" in text else b"1\n")

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def engines() -> list[FakeEngine]:
    return []


@pytest.fixture
def connection(engines: list[FakeEngine]) -> Connection:
    def connect() -> FakeEngine:
        engines.append(FakeEngine())
        return engines[-1]

    return Connection(connect, {"base": "1"}, result_limit=10)


def work(sql: bytes, state: State | None = None, *, leaves_state: bool = False) -> Work:
    return Work(sql, state or State(), "Native", leaves_state)


def test_the_same_state_again_costs_no_statement(connection: Connection, engines: list[FakeEngine]) -> None:
    state = State("nova", {"a": "1"}, {"x": "2"})
    for _ in range(3):
        connection.execute(work(b"SELECT 1", state))
    assert engines[0].queries[1:] == ["USE `nova`;SET a='1', param_x='2';SELECT 1", "SELECT 1", "SELECT 1"]


@pytest.mark.parametrize(
    "first",
    [
        work(b"SET x = 1", leaves_state=True),
        work(b"SELECT 1", State(settings={"readonly": "1"})),
        work(b"SELECT 1", State(parameters={"x": "y" * 100_000})),
    ],
)
def test_what_cannot_be_taken_back_ends_with_its_connection(
    connection: Connection, engines: list[FakeEngine], first: Work
) -> None:
    connection.execute(first)
    assert [engine.closed for engine in engines] == [True, False]


def test_a_parameter_that_is_no_longer_given_ends_with_its_connection(
    connection: Connection, engines: list[FakeEngine]
) -> None:
    connection.execute(work(b"SELECT 1", State(parameters={"x": "1"})))
    connection.execute(work(b"SELECT 1"))
    assert [engine.closed for engine in engines] == [True, False]


@pytest.mark.parametrize(("sql", "code"), [(b"bad", 60), (b"large", 396)])
def test_after_an_error_a_new_connection_stands_ready(
    connection: Connection, engines: list[FakeEngine], sql: bytes, code: int
) -> None:
    with pytest.raises(ClickHouseError) as caught:
        connection.execute(work(sql))
    assert caught.value.code == code
    assert [engine.closed for engine in engines] == [True, False]
    assert connection.execute(work(b"SELECT 1")).body == b"1\n"
