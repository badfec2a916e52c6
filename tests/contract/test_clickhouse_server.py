"""clickhouse-connect, sync and async, meets in the embedded ClickHouse what it meets in a server."""

from __future__ import annotations

import asyncio
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

pytestmark = pytest.mark.contract

HOSTILE = [
    "",
    "a'b",
    "a\\b",
    "a\nb\tc\rd",
    "\\N",
    "{x:UInt8}",
    "'); DROP TABLE t; --",
    "/* */ -- #",
    "ünïcödé 🦀",
    "\\",
    "'",
]


@pytest.fixture
async def table(client: Any) -> Any:
    name = f"t_{uuid.uuid4().hex}"
    await client.command(
        f"CREATE TABLE {name} (x UInt64, s String DEFAULT concat('d', toString(x)), t Nullable(DateTime64(3)))"
        " ENGINE = MergeTree ORDER BY x"
    )
    yield name
    await client.command(f"DROP TABLE {name}")


async def test_a_ping_is_answered(client: Any) -> None:
    assert await client.ping() is True


async def test_a_command_returns_its_value(client: Any) -> None:
    assert await client.command("SELECT 1 + 1") == 2
    assert await client.command("SELECT timezone()") == "UTC"


async def test_every_common_type_arrives_as_its_python_value(client: Any) -> None:
    result = await client.query(
        "SELECT toUInt64(18446744073709551615), toInt64(-9223372036854775808), 1.5, 'text',"
        " toDateTime64('2026-01-02 03:04:05.678', 3, 'UTC'), CAST(NULL AS Nullable(UInt8)), [1, 2], "
        " toLowCardinality('low'), true, toUInt8(255), (1, 'a')"
    )
    moment = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    row = list(result.first_row)
    row[4] = row[4].replace(tzinfo=UTC)
    assert row == [2**64 - 1, -(2**63), 1.5, "text", moment, None, [1, 2], "low", True, 255, (1, "a")]


async def test_a_result_comes_as_columns_of_numpy(client: Any) -> None:
    result = await client.query_np("SELECT number AS n, number / 2 AS half FROM numbers(100000)")
    assert result.shape == (100_000,)
    assert int(result["n"].sum()) == sum(range(100_000))
    columns = (await client.query("SELECT number FROM numbers(3)")).result_columns
    assert [list(column) for column in columns] == [[0, 1, 2]]


async def test_a_large_result_arrives_whole(client: Any) -> None:
    result = await client.query("SELECT number FROM numbers(3000000)", column_oriented=True)
    assert np.asarray(result.result_columns[0]).sum() == 3_000_000 * 2_999_999 // 2


async def test_an_empty_result_has_no_rows(client: Any, table: str) -> None:
    assert (await client.query(f"SELECT * FROM {table}")).result_rows == []
    assert (await client.query(f"SELECT x, s FROM {table} LIMIT 0")).column_names == ("x", "s")


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_string_parameter_arrives_unchanged(client: Any, text: str) -> None:
    result = await client.query("SELECT {x:String} AS a, '{x:String}' AS b -- {y:String}", parameters={"x": text})
    assert result.first_row == (text, "{x:String}")


async def test_parameters_of_all_kinds_arrive(client: Any) -> None:
    numbers = list(range(10**15, 10**15 + 1000))
    parameters = {"a": numbers, "s": HOSTILE, "n": None, "t": "one", "f": 1.5}
    result = await client.query(
        "SELECT {a:Array(UInt64)}, {s:Array(String)}, {n:Nullable(UInt8)}, {f:Float64} FROM system.{t:Identifier}",
        parameters=parameters,
    )
    assert result.first_row == (numbers, HOSTILE, None, 1.5)


async def test_a_parameter_of_one_request_is_unknown_to_the_next(client: Any) -> None:
    for number in range(10):
        assert (await client.query("SELECT {x:UInt8}", parameters={"x": number})).first_row == (number,)
    for _ in range(10):
        with pytest.raises(DatabaseError, match="UNKNOWN_QUERY_PARAMETER") as caught:
            await client.query("SELECT {x:UInt8}")
        assert caught.value.code == 456


async def test_a_setting_holds_for_one_request_alone(client: Any) -> None:
    sql = "SELECT getSetting('max_threads'), getSetting('max_block_size'), getSetting('readonly')"
    before = (await client.query(sql)).first_row
    settings = {"max_threads": 1, "max_block_size": 1234, "readonly": 2, "mutations_sync": 1, "max_execution_time": 5}
    assert (await client.query(sql, settings=settings)).first_row == (1, 1234, 2)
    assert [(await client.query(sql)).first_row for _ in range(10)] == [before] * 10


async def test_set_use_and_temporary_tables_end_with_their_request(client: Any) -> None:
    before = await client.command("SELECT getSetting('max_threads')")
    await client.command("SET max_threads = 77")
    await client.command("USE system")
    await client.command("CREATE TEMPORARY TABLE passing (x UInt8)")
    assert [await client.command("SELECT getSetting('max_threads')") for _ in range(10)] == [before] * 10
    assert await client.command("SELECT currentDatabase()") == "default"
    with pytest.raises(DatabaseError, match="UNKNOWN_TABLE"):
        await client.command("SELECT * FROM passing")


async def test_rows_are_inserted(client: Any, table: str) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    rows = [[1, "a;b", moment], [2, "{x:UInt8}", None]]
    summary = await client.insert(table, rows, column_names=["x", "s", "t"])
    assert summary.written_rows == 2
    found = (await client.query(f"SELECT x, s, t IS NULL FROM {table} ORDER BY x")).result_rows
    assert found == [(1, "a;b", 0), (2, "{x:UInt8}", 1)]


async def test_columns_are_inserted_and_the_others_take_their_defaults(client: Any, table: str) -> None:
    await client.insert(table, [list(range(100_000))], column_names=["x"], column_oriented=True)
    assert (
        await client.query(f"SELECT count(), sum(x), countIf(s = concat('d', toString(x))) FROM {table}")
    ).first_row == (
        100_000,
        sum(range(100_000)),
        100_000,
    )


async def test_an_insert_of_values_takes_what_looks_like_sql_as_data(client: Any, table: str) -> None:
    await client.command(f"INSERT INTO {table} (x, s) VALUES (1, 'a;b -- c'), (1 + 1, '{{x:UInt8}}')")
    await client.command(
        f"INSERT INTO {table} (x, s) SETTINGS max_threads = 1 FORMAT JSONEachRow", data='{"x":3,"s":";"}'
    )
    await client.command(f"INSERT INTO {table} (x, s) SELECT {{x:UInt64}}, 'selected'", parameters={"x": 4})
    assert (await client.query(f"SELECT x, s FROM {table} ORDER BY x")).result_rows == [
        (1, "a;b -- c"),
        (2, "{x:UInt8}"),
        (3, ";"),
        (4, "selected"),
    ]


@pytest.mark.parametrize(
    ("sql", "code", "name"),
    [
        ("SELECT * FROM nowhere", 60, "UNKNOWN_TABLE"),
        ("SELECT * FROM nodatabase.nowhere", 81, "UNKNOWN_DATABASE"),
        ("SELEC 1", 62, "SYNTAX_ERROR"),
        ("SELECT 1; SELECT 2", 62, "SYNTAX_ERROR"),
        ("SELECT nocolumn FROM system.one", 47, "UNKNOWN_IDENTIFIER"),
        ("SELECT throwIf(number = 99999) FROM numbers(100000)", 395, "FUNCTION_THROW_IF_VALUE_IS_NON_ZERO"),
    ],
)
async def test_an_exception_keeps_its_code_and_name(client: Any, sql: str, code: int, name: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        await client.query(sql)
    assert (caught.value.code, caught.value.name) == (code, name)


async def test_an_unknown_setting_is_refused(client: Any) -> None:
    with pytest.raises(DatabaseError) as caught:
        await client.query("SELECT 1", settings={"no_such_setting": 1})
    assert caught.value.code == 115


async def test_nothing_of_a_failed_result_reaches_the_next_one(client: Any) -> None:
    for _ in range(10):
        with pytest.raises(DatabaseError):
            await client.query("SELECT throwIf(number = 900000) FROM numbers(1000000) SETTINGS max_block_size = 1000")
        assert (await client.query("SELECT 1")).result_rows == [(1,)]


async def test_a_query_beyond_its_time_is_ended_and_leaves_the_server_usable(client: Any) -> None:
    for _ in range(9):  # one more than there are connections
        with pytest.raises(DatabaseError, match="TIMEOUT_EXCEEDED"):
            await client.query("SELECT count() FROM numbers(1000000000000)", settings={"max_execution_time": 0.05})
    assert await client.command("SELECT 1") == 1


async def test_reads_run_at_the_same_time(client: Any) -> None:
    started = time.monotonic()
    await asyncio.gather(*(client.query("SELECT sleep(0.5)") for _ in range(8)))
    assert time.monotonic() - started < 2.5


async def test_a_result_beyond_the_cap_is_refused(client: Any) -> None:
    with pytest.raises(DatabaseError, match="TOO_MANY_ROWS_OR_BYTES"):
        await client.query("SELECT number FROM numbers(1000000000)")
    assert await client.command("SELECT 1") == 1


async def test_tables_are_exchanged_and_views_refreshed(client: Any) -> None:
    name = f"d_{uuid.uuid4().hex}"
    await client.command(f"CREATE DATABASE {name}")  # Atomic; the database `default` is not
    await client.command(f"CREATE TABLE {name}.one (x UInt64) ENGINE = MergeTree ORDER BY x")
    await client.command(f"CREATE TABLE {name}.two AS {name}.one")
    await client.insert("two", [[7]], column_names=["x"], database=name)
    await client.command(f"EXCHANGE TABLES {name}.one AND {name}.two")
    assert await client.command(f"SELECT x FROM {name}.one") == 7
    await client.command(
        f"CREATE MATERIALIZED VIEW {name}.view REFRESH EVERY 1 HOUR ENGINE = MergeTree ORDER BY s EMPTY"
        f" AS SELECT sum(x) AS s FROM {name}.one"
    )
    await client.command(f"SYSTEM REFRESH VIEW {name}.view")
    await client.command(f"SYSTEM WAIT VIEW {name}.view")
    assert await client.command(f"SELECT s FROM {name}.view") == 7
    await client.command(f"DROP DATABASE {name}")
