"""What a full disk leaves of a refreshable view: the engine starts on it, and the next refresh fills it again."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.conftest import ClickHouseProcess

pytestmark = pytest.mark.contract
Start = Callable[..., ClickHouseProcess]
VIEWS = {
    "plain": "ENGINE = MergeTree ORDER BY a AS SELECT a FROM t",
    "rich": "ENGINE = MergeTree ORDER BY (a, d) SETTINGS index_granularity = 512"
            " AS WITH one AS (SELECT 1 AS x) SELECT a, CAST(a, 'Nullable(Decimal(9, 2))') AS c, (a, 'x') AS b,"
            " a + 1 AS d FROM t WHERE 1 IN one",
}  # fmt: skip


def run(server: ClickHouseProcess, *statements: str) -> str:
    """The answer to the last of these statements, all of which succeed."""
    for sql in statements:
        answer = server.post(sql, database="app")
        assert answer.status_code == 200, answer.text
    return answer.text.strip()


@pytest.fixture
def stopped(own_clickhouse: Start) -> ClickHouseProcess:
    """A server with two filled views, stopped."""
    server = own_clickhouse()
    server.value("CREATE DATABASE app")
    run(server, "CREATE TABLE t (a Int64) ENGINE = MergeTree ORDER BY a", "INSERT INTO t VALUES (1), (2)")
    for name, definition in VIEWS.items():
        run(server, f"CREATE MATERIALIZED VIEW {name} REFRESH EVERY 1 HOUR {definition}", f"SYSTEM WAIT VIEW {name}")
    server.signal(signal.SIGTERM)
    server.wait()
    return server


def definitions(server: ClickHouseProcess, pattern: str) -> list[Path]:
    return sorted((server.data / "engine" / "store").glob(f"*/*/{pattern}"))


def test_a_view_whose_table_lost_its_definition_is_filled_by_its_next_refresh(
    stopped: ClickHouseProcess, own_clickhouse: Start
) -> None:
    lost = definitions(stopped, "%2Einner_id*.sql")
    assert len(lost) == 2
    for path in lost:
        path.write_text("")
    server = own_clickhouse()
    for name in VIEWS:
        filled = (f"SYSTEM REFRESH VIEW {name}", f"SYSTEM WAIT VIEW {name}", f"SELECT sum(a) FROM {name}")
        assert run(server, *filled) == "3"
        assert run(server, "INSERT INTO t VALUES (3)", *filled) == "6"
        run(server, "ALTER TABLE t DELETE WHERE a = 3 SETTINGS mutations_sync = 1")


def test_a_view_that_is_whole_is_left_as_it_is(stopped: ClickHouseProcess, own_clickhouse: Start) -> None:
    before = definitions(stopped, "*.sql")
    server = own_clickhouse()
    assert [run(server, f"SELECT sum(a) FROM {name}") for name in VIEWS] == ["3", "3"]
    assert definitions(server, "*.sql") == before


def test_a_table_that_lost_its_definition_is_never_taken_for_a_view(
    stopped: ClickHouseProcess, own_clickhouse: Start
) -> None:
    [path] = definitions(stopped, "t.sql")
    path.write_text("")
    with pytest.raises(AssertionError, match=r"Cannot parse definition from metadata file \S+t\.sql"):
        own_clickhouse()
    assert path.exists()
