"""What the embedded ClickHouse remembers of the queries it answered."""

from __future__ import annotations

import pytest

from nova_feed.local.clickhouse.connection import Answer
from nova_feed.local.clickhouse.queries import QueryLog, normalised


def answer(seconds: float, rows: int = 10) -> Answer:
    return Answer(b"", 1, 8, rows, rows * 8, seconds)


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        (b"SELECT 1", "SELECT ?"),
        (b"-- what it is\nSELECT a\n  FROM t1", "SELECT a FROM t1"),
        (b"SELECT 'it''s \\' -- no comment',\tn > 1.5", "SELECT ?, n > ?"),
        (b"SELECT /* 1 */ x IN {viewers:Array(Int64)}", "SELECT x IN {viewers:Array(Int64)}"),
        (b"SELECT '\xff'", "SELECT ?"),
        (b"", ""),
    ],
)  # fmt: skip
def test_texts_that_differ_in_values_alone_are_one(sql: bytes, text: str) -> None:
    assert normalised(sql) == text


def test_queries_are_told_by_text_with_times_and_rows() -> None:
    log = QueryLog()
    for i in range(100):
        log.add(b"SELECT %d" % i, answer(0.001 * (i + 1), rows=i))
    log.add(b"SELECT a", answer(2.0))
    row = next(row for row in log.told(50) if row["text"] == "SELECT ?")
    assert (row["count"], row["slow"]) == (100, 50)
    assert row["p50_ms"] == pytest.approx(50.5)
    assert row["p95_ms"] == pytest.approx(95.05)
    assert row["read_rows"] == pytest.approx(49.5)
    assert row["read_bytes"] == pytest.approx(49.5 * 8)


def test_what_took_the_most_time_in_all_comes_first() -> None:
    log = QueryLog()
    log.add(b"SELECT a", answer(0.5))
    for _ in range(10):
        log.add(b"SELECT b", answer(0.1))
    assert [row["text"] for row in log.told(500)] == ["SELECT b", "SELECT a"]


def test_only_the_latest_are_kept() -> None:
    log = QueryLog(kept=5)
    for i in range(12):
        log.add(b"SELECT b" if i >= 7 else b"SELECT a", answer(0.1))
    assert [(row["text"], row["count"]) for row in log.told(500)] == [("SELECT b", 5)]


def test_a_query_as_slow_as_the_limit_is_not_slow() -> None:
    log = QueryLog()
    log.add(b"SELECT a", answer(0.5))
    assert log.told(500)[0]["slow"] == 0
