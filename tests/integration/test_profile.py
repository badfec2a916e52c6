"""``nova profile`` against the real servers."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio as redis

from nova_feed.cache.keys import FEED, LIST, SEEN_RECENT
from nova_feed.store.client import Store
from nova_feed.store.query_log import from_table
from tests.reader import ReaderOf
from tests.stack import LocalStack
from tests.waiting import eventually

pytestmark = pytest.mark.integration


def profiled(stack: LocalStack, *arguments: str) -> tuple[int, Any]:
    done = stack.nova("profile", *arguments, "--json")
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.fixture
async def valkey(stack: LocalStack) -> AsyncIterator[redis.Redis]:
    async with redis.Redis.from_url(stack.facts["redis_url"]) as client:
        yield client


async def test_a_feeds_queries_are_told_with_the_rows_they_read(stack: LocalStack, reader: ReaderOf) -> None:
    await reader(1).page()
    code, found = profiled(stack, "queries", "--all")
    [pairs] = [row for row in found if "groupBitOr(relation)" in row["text"] and "affinity" in row["text"]]
    assert code == 0
    assert pairs["count"] >= 1
    assert pairs["read_rows"] > 0
    assert pairs["p50_ms"] <= pairs["p95_ms"] <= pairs["p99_ms"]
    assert "--" not in pairs["text"]


async def test_a_slow_query_is_found_and_a_quick_one_is_not(stack: LocalStack, clickhouse: Store) -> None:
    name = f"slow_{uuid.uuid4().hex}"
    await clickhouse.sql(f"SELECT toInt64(sleep(0.6)) AS {name}")
    await clickhouse.sql(f"SELECT toInt64(1) AS quick_{name}")
    _, found = profiled(stack, "queries")
    [row] = [row for row in found if name in row["text"]]
    assert (row["count"], row["slow"]) == (1, 1)
    assert row["p50_ms"] >= 600
    assert row["text"].startswith(f"SELECT toInt64(sleep(?)) AS {name}")


async def test_of_a_real_servers_log_the_finished_queries_of_this_database_count(clickhouse: Store) -> None:
    log = f"query_log_{uuid.uuid4().hex}"
    await clickhouse.command(
        f"CREATE TABLE {log} (type String, event_time DateTime, current_database String, query String,"
        " normalized_query_hash UInt64, query_duration_ms UInt64, read_rows UInt64, read_bytes UInt64) ENGINE = Memory"
    )
    await clickhouse.command(
        f"INSERT INTO {log} SELECT if(number < 100, 'QueryFinish', 'QueryStart'), now() - if(number = 99, 7200, 0),"
        " if(number = 98, 'other', currentDatabase()), concat('SELECT ', toString(number)), 7, number * 10, number, 8"
        " FROM numbers(200)"
    )
    [cost] = await from_table(clickhouse, "nova", log, slow_ms=500, hours=1)
    assert (cost.count, cost.slow, cost.text) == (98, 47, "SELECT ?")
    assert cost.p50_ms == pytest.approx(485)
    assert cost.total_ms == sum(10 * i for i in range(98))
    assert cost.read_rows == pytest.approx(48.5)
    await clickhouse.command(f"DROP TABLE {log}")


async def test_keys_are_counted_and_weighed_by_family(stack: LocalStack, reader: ReaderOf, valkey: redis.Redis) -> None:
    await reader(2).page()
    lists = len([key async for key in valkey.scan_iter("list:v1:*")])
    code, found = profiled(stack, "keys")
    families = {family["template"]: family for family in found["families"]}
    assert (code, found["warnings"]) == (0, [])
    assert abs(families[LIST.template]["count"] - lists) <= lists / 2
    assert families[LIST.template]["mean_bytes"] > 1_000
    assert 0 < families[FEED.template]["most_ttl_s"] <= FEED.ttl_s


async def test_a_key_without_an_end_and_a_key_of_somebody_else_are_warned_of(
    stack: LocalStack, valkey: redis.Redis
) -> None:
    stray, endless = f"stray:{uuid.uuid4().hex}", SEEN_RECENT.of(987654)
    await valkey.set(stray, "1", ex=60)
    await valkey.zadd(endless, {"1": 1})
    code, found = profiled(stack, "keys")
    assert code == 1
    assert any(warning.startswith("1 keys of no family") and stray[:40] in warning for warning in found["warnings"])
    assert any(warning.startswith(SEEN_RECENT.template) and endless in warning for warning in found["warnings"])
    await valkey.delete(stray, endless)


async def test_connections_are_told_by_who_holds_them_and_how_long_one_waits(
    stack: LocalStack, reader: ReaderOf
) -> None:
    await reader(3).page()

    async def told() -> Any:
        _, found = profiled(stack, "pools")
        return found if found["waits"].get("reads", {}).get("count") else None

    found = await eventually(told, deadline_s=20)
    assert {"nova api reads", "nova worker"} <= {row["name"] for row in found["connections"]}
    assert found["max_connections"] > sum(row["open"] for row in found["connections"])
    wait = found["waits"]["reads"]
    assert 0 < wait["p50_ms"] <= wait["p99_ms"] < 5_000
