"""What PostgreSQL holds is what ClickHouse holds, whatever lies in between."""

from __future__ import annotations

import asyncio
from typing import cast

import asyncpg
import pytest
from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient

from nova_feed.capture.connector import NOT_CAPTURED
from nova_feed.store.client import Store
from nova_feed.topics import ALL, CDC_TABLES, cdc_topic
from tests.stack import LocalStack
from tests.waiting import eventually

pytestmark = pytest.mark.integration
POSTS = cdc_topic("posts")
POISON = {
    "bad JSON": b'{"id": 1, "author_id',
    "no JSON at all": b"\xff\xfe\x00",
    "another shape": b"[[[]]]",
    "null": b"null",
    "wrong types": b'{"id": "seven", "author_id": {}, "created_at": 5}',
    "a number too large": b'{"id": 99999999999999999999, "author_id": 1, "created_at": "2026-01-01T00:00:00Z"}',
    "no such moment": b'{"id": 1, "author_id": 1, "created_at": "yesterday"}',
    "900 kB": b'{"id": "' + b"x" * 900_000 + b'"}',
}


async def test_verify_finds_every_table_equal(stack: LocalStack) -> None:
    async def equal() -> str | None:
        done = await asyncio.to_thread(stack.nova, "cdc", "verify")
        return done.stdout if done.returncode == 0 else None

    shown = await eventually(equal, 30)
    assert shown.count("✓") == len(CDC_TABLES)
    assert "✗" not in shown
    assert all(table in shown for table in CDC_TABLES)


async def test_verify_names_the_table_that_differs(stack: LocalStack, clickhouse: Store) -> None:
    client = await clickhouse.client()
    row = "(9000000000000000000, 1, now64(3), {gone}, {version})"
    await client.command("INSERT INTO mutes VALUES (9000000000000000000, 1, now64(3), 0, 1)")
    done = await asyncio.to_thread(stack.nova, "cdc", "verify")
    await client.command(f"INSERT INTO mutes VALUES {row.format(gone=1, version=2)}")
    assert done.returncode == 1
    assert [line.split()[0] for line in done.stdout.splitlines() if "✗" in line] == ["mutes"]


def test_the_status_of_capture_is_good(stack: LocalStack) -> None:
    done = stack.nova("cdc", "status")
    assert done.returncode == 0, done.stdout + done.stderr


async def test_poisoned_records_are_kept_apart_and_stop_nothing_behind_them(
    stack: LocalStack, clickhouse: Store, postgres: asyncpg.Connection
) -> None:
    kept = await asyncio.to_thread(_produce, stack.facts["kafka_brokers"])
    assert len(kept) == len(POISON) * POSTS.partitions
    # Enough posts for every partition to have one behind its poison.
    rows = await postgres.fetch("INSERT INTO posts (author_id) SELECT 1 FROM generate_series(1, 60) RETURNING id")
    posts = [row["id"] for row in rows]

    async def all_there() -> bool:
        found = await clickhouse.sql("SELECT count() AS n FROM posts FINAL WHERE id IN {ids:Array(Int64)}", ids=posts)
        return int(found["n"][0]) == len(posts)

    await eventually(all_there, 30)
    bad = await clickhouse.sql("SELECT partition, offset FROM bad_rows FINAL WHERE topic = 'cdc.posts'")
    assert kept <= set(zip(bad["partition"].tolist(), bad["offset"].tolist(), strict=True))


def test_every_topic_has_the_partitions_of_the_table_of_topics(stack: LocalStack) -> None:
    there = AdminClient({"bootstrap.servers": stack.facts["kafka_brokers"]}).list_topics(timeout=10).topics
    assert {topic.name: len(there[topic.name].partitions) for topic in ALL} == {t.name: t.partitions for t in ALL}


@pytest.mark.parametrize("table", CDC_TABLES)
async def test_a_captured_table_has_the_same_columns_in_postgresql_in_the_view_and_in_clickhouse(
    postgres: asyncpg.Connection, clickhouse: Store, table: str
) -> None:
    rows = await postgres.fetch("SELECT column_name FROM information_schema.columns WHERE table_name = $1", table)
    captured = [row[0] for row in rows if f"public.{table}.{row[0]}" not in NOT_CAPTURED]
    target, view = [await _columns(clickhouse, name) for name in (table, f"cdc_to_{table}")]
    assert view == target
    assert sorted(captured) == sorted(set(target) - {"deleted", "_version"})


async def _columns(clickhouse: Store, table: str) -> list[str]:
    client = await clickhouse.client()
    return [row[0] for row in (await client.query(f"DESCRIBE TABLE {table}")).result_rows]


def _produce(brokers: str) -> set[tuple[int, int]]:
    """Put every kind of poison into every partition of the posts; returns (partition, offset) of each.

    And a tombstone behind them: it says nothing, so nothing of it is kept.
    """
    kept: set[tuple[int, int]] = set()

    def delivered(error: KafkaError | None, message: Message) -> None:
        assert error is None
        kept.add((cast("int", message.partition()), cast("int", message.offset())))

    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 0})
    for partition in range(POSTS.partitions):
        for value in POISON.values():
            producer.produce(POSTS.name, value=value, key=b"{}", partition=partition, on_delivery=delivered)
        producer.produce(POSTS.name, value=None, key=b"{}", partition=partition)
    assert producer.flush(20) == 0
    return kept
