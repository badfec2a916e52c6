"""What the embedded ClickHouse understands of a statement."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.local.clickhouse.errors import ClickHouseError
from nova_feed.local.clickhouse.insert import from_file
from nova_feed.local.clickhouse.statement import analyse


@pytest.mark.parametrize("sql", [b"SELECT 1; SELECT 2", b"SELECT 1;;DROP TABLE x", b"", b" -- nothing\n", b";"])
def test_anything_but_one_statement_is_a_syntax_error(sql: bytes) -> None:
    with pytest.raises(ClickHouseError) as caught:
        analyse(sql)
    assert caught.value.code == 62


@pytest.mark.parametrize("sql", [b"SELECT ';'", b"SELECT 1;", b"SELECT 1 ; -- done;", b"SELECT 1 /* ; */;;"])
def test_a_semicolon_that_separates_nothing_is_allowed(sql: bytes) -> None:
    assert analyse(sql).verb == b"SELECT"


def test_the_parameters_are_those_outside_of_text() -> None:
    assert analyse(b"SELECT {a:UInt8}, '{b:UInt8}' /* {c:UInt8} */ FROM {t:Identifier}").parameters == {"a", "t"}


@pytest.mark.parametrize(
    ("sql", "output_format"),
    [
        (b"SELECT 1", None),
        (b"SELECT 1 FORMAT JSON", "JSON"),
        (b"SELECT 1\n format CSV ;", "CSV"),
        (b"SELECT 1 FORMAT CSV SETTINGS max_threads = 1", "CSV"),
        (b"SELECT format FROM t", None),
        (b"SELECT * FROM (SELECT 1) FORMAT Native", "Native"),
    ],
)
def test_the_output_format_is_the_one_at_the_end(sql: bytes, output_format: str | None) -> None:
    assert analyse(sql).format == output_format


@pytest.mark.parametrize(
    ("sql", "data"),
    [
        (b"INSERT INTO t FORMAT Native\n\x01;'", b"\x01;'"),
        (b"INSERT INTO t (a, `b;`) FORMAT TSV \t\r\n1\t2", b"1\t2"),
        (b"INSERT INTO t VALUES (1, ';')", b" (1, ';')"),
        (b"INSERT INTO values VALUES (1)", b" (1)"),
        (b"INSERT INTO format FORMAT CSV\n\n1", b"\n1"),
        (b"INSERT INTO format.values (x) SETTINGS async_insert = 0 FORMAT CSV 1", b"1"),
        (b"insert into table function null('x UInt8') values (1)", b" (1)"),
    ],
)
def test_the_data_of_an_insert_begin_after_the_format(sql: bytes, data: bytes) -> None:
    found = analyse(sql).data
    assert found is not None
    assert sql[found.start :] == data


@pytest.mark.parametrize("sql", [b"INSERT INTO t SELECT 1 FORMAT CSV", b"INSERT INTO t FROM INFILE 'x' FORMAT CSV"])
def test_an_insert_of_a_query_has_no_data(sql: bytes) -> None:
    assert analyse(sql).data is None


@given(st.binary(max_size=300))
def test_data_are_never_taken_for_sql(data: bytes) -> None:
    found = analyse(b"INSERT INTO t (x) FORMAT Native\n" + data).data
    assert found is not None
    assert found.start == len(b"INSERT INTO t (x) FORMAT Native\n")


def test_the_file_takes_the_place_of_the_data_before_the_settings() -> None:
    sql = b"INSERT INTO t (x) SETTINGS max_threads = 1 FORMAT CSV 1"
    data = analyse(sql).data
    assert data is not None
    rewritten = from_file(sql, data, Path("/a'b"))
    assert rewritten.startswith(b"INSERT INTO t (x)  FROM INFILE '/a\\'b' SETTINGS ")
    assert rewritten.endswith(b", max_threads = 1 FORMAT CSV")


@pytest.mark.parametrize(
    ("sql", "leaves"),
    [(b"SET a = 1", True), (b"USE x", True), (b"CREATE TEMPORARY TABLE t (x UInt8)", True), (b"SELECT 1", False)],
)
def test_what_changes_the_connection_is_known(sql: bytes, leaves: bool) -> None:
    assert analyse(sql).leaves_state is leaves
