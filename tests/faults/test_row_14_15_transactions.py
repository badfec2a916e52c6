"""Rows 14 and 15 of the fault matrix: transactions that outlive a snapshot, or a restart of the connector.

A capture of its own: a database, a connector with its slot, topics, and the product's schema over them.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from nova_feed.capture.connector import connector_config
from nova_feed.store.client import Store
from nova_feed.store.migrate import migrations
from nova_feed.stream.admin import ensure_topics
from nova_feed.topics import CDC_TABLES, HEARTBEAT_TABLE, Topic
from tests.faults.bench import Bench
from tests.stack import LocalStack
from tests.waiting import eventually

pytestmark = pytest.mark.faults


@dataclass
class Capture:
    """PostgreSQL -> connector -> topics -> ClickHouse, all under one name that nothing else has."""

    name: str
    dsn: str
    store: Store
    connect: httpx.AsyncClient
    brokers: str

    @property
    def topics(self) -> tuple[Topic, ...]:
        tables = (*CDC_TABLES, HEARTBEAT_TABLE)
        return (*(Topic(f"{self.name}.{table}", 1, None) for table in tables),
                Topic(f"__debezium-heartbeat.{self.name}", 1, None))  # fmt: skip

    def config(self) -> dict[str, str]:
        return connector_config(self.dsn) | {
            "topic.prefix": self.name,
            "slot.name": self.name,
            "transforms.route.regex": rf"{self.name}\.public\.(.+)",
            "transforms.route.replacement": f"{self.name}.$1",
        }

    async def prepare(self) -> None:
        """Topics and tables; the slot is there before the connector, as after a snapshot that had to start again."""
        await ensure_topics(self.brokers, 1, self.topics)
        [schema] = [migration for migration in migrations() if migration.number == 1]
        client = await self.store.client()
        for statement in schema.statements({"KAFKA_BROKERS": self.brokers, "KAFKA_CONSUMERS": "1"}):
            await client.command(statement.replace("cdc.", f"{self.name}.").replace("nova_cdc", self.name))
        connection = await asyncpg.connect(self.dsn)
        await connection.execute("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", self.name)
        await connection.close()

    async def start(self) -> None:
        (await self.connect.put(f"/connectors/{self.name}/config", json=self.config())).raise_for_status()
        await self.running()

    async def restart(self) -> None:
        answer = await self.connect.post(f"/connectors/{self.name}/restart", params={"includeTasks": "true"})
        answer.raise_for_status()
        await self.running()

    async def running(self) -> None:
        async def is_so() -> bool:
            answer = await self.connect.get(f"/connectors/{self.name}/status")
            states = [task["state"] for task in answer.json().get("tasks", [])] if answer.status_code == 200 else []
            return states == ["RUNNING"]

        await eventually(is_so, 60)

    async def usernames(self) -> dict[int, str]:
        rows = await self.store.sql("SELECT id, username FROM users FINAL")
        return dict(zip(rows["id"].tolist(), rows["username"].tolist(), strict=True))

    async def has(self, wanted: dict[int, str]) -> None:
        async def is_so() -> bool:
            return await self.usernames() == wanted

        await eventually(is_so, 60)

    def records(self, table: str, count: int) -> list[dict[str, Any]]:
        """The first records of a topic, in the order of their offsets."""
        consumer = Consumer({"bootstrap.servers": self.brokers, "group.id": f"{self.name}-look"})
        consumer.assign([TopicPartition(f"{self.name}.{table}", 0, 0)])
        try:
            messages = consumer.consume(count, timeout=20)
            return [json.loads(message.value() or b"null") for message in messages]
        finally:
            consumer.close()

    async def remove(self) -> None:
        await self.connect.delete(f"/connectors/{self.name}")
        connection = await asyncpg.connect(self.dsn)

        async def slot_dropped() -> bool:
            try:
                await connection.execute("SELECT pg_drop_replication_slot($1)", self.name)
            except asyncpg.ObjectInUseError:
                return False
            return True

        await eventually(slot_dropped, 30)
        await connection.close()
        await (await self.store.client()).command(f"DROP DATABASE {self.name}")
        admin = AdminClient({"bootstrap.servers": self.brokers})
        for future in admin.delete_topics([topic.name for topic in self.topics]).values():
            future.result(20)


@pytest.fixture
async def capture(stack: LocalStack, postgres_dsn: str) -> AsyncIterator[Capture]:
    name = f"row{uuid.uuid4().hex[:8]}"
    facts = stack.facts
    url = httpx.URL(facts["clickhouse_url"]).copy_with(path=f"/{name}")
    async with httpx.AsyncClient(base_url=facts["connect_url"], timeout=20) as connect:
        made = Capture(name, postgres_dsn, Store(str(url), timeout_s=10, name="tests"), connect, facts["kafka_brokers"])
        try:
            await made.prepare()
            yield made
        finally:
            await made.remove()
            await made.store.close()


async def test_the_newest_value_wins_over_a_snapshot_that_was_taken_while_its_transaction_was_open(
    capture: Capture, bench: Bench
) -> None:
    async with bench.row(15, "transaction open during the snapshot") as line:
        writer = await asyncpg.connect(capture.dsn)
        await writer.execute("INSERT INTO users (id, username) VALUES (1, 'old')")
        transaction = writer.transaction()
        await transaction.start()
        await writer.execute("UPDATE users SET username = 'new' WHERE id = 1")
        other = await asyncpg.connect(capture.dsn)
        await other.execute("INSERT INTO users (id, username) VALUES (2, 'meanwhile')")
        await capture.start()
        await capture.has({1: "old", 2: "meanwhile"})
        await transaction.commit()
        await capture.has({1: "new", 2: "meanwhile"})
        await other.close()
        await writer.close()
        records = await asyncio.to_thread(capture.records, "users", 3)
        stale, *_, fresh = [record for record in records if record["id"] == 1]
        assert (stale["username"], fresh["username"]) == ("old", "new")
        # This is why a row's version is its offset: by the LSN the stale copy would have won, and for ever.
        assert stale["__lsn"] > fresh["__lsn"]
        line.lost, line.duplicate, line.phantom = 0, 0, 0
        line.add("stale rows 0; by the LSN there would be 1")


async def test_no_row_of_two_interleaved_transactions_is_skipped_by_a_restart_between_their_commits(
    capture: Capture, bench: Bench
) -> None:
    async with bench.row(14, "interleaved transactions, connector restarted") as line:
        first, second = await asyncpg.connect(capture.dsn), await asyncpg.connect(capture.dsn)
        await capture.start()
        await first.execute("INSERT INTO users (id, username) VALUES (1, 'before')")
        await capture.has({1: "before"})
        long, short = second.transaction(), first.transaction()
        await long.start()
        await second.execute("INSERT INTO users (id, username) VALUES (20, 'long, early')")
        await short.start()
        await first.execute("INSERT INTO users (id, username) VALUES (10, 'short')")
        await second.execute("INSERT INTO users (id, username) VALUES (21, 'long, between')")
        await short.commit()
        await capture.has({1: "before", 10: "short"})
        await capture.restart()
        await first.execute("INSERT INTO users (id, username) VALUES (2, 'after')")
        await capture.has({1: "before", 10: "short", 2: "after"})
        await second.execute("INSERT INTO users (id, username) VALUES (22, 'long, late')")
        await long.commit()
        everything = {1: "before", 10: "short", 2: "after", 20: "long, early", 21: "long, between", 22: "long, late"}
        await capture.has(everything)
        await first.close()
        await second.close()
        line.lost, line.duplicate, line.phantom = 0, 0, 0
        line.add(f"rows missing 0 of {len(everything)}")
