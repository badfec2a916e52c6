"""Row 11: kill -9 of Kafka Connect, again and again, while the app writes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncpg
import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from nova_feed.topics import cdc_topic
from tests.app import App
from tests.faults import visible
from tests.faults.bench import SETTLED_S, Bench, as_coroutine, hold
from tests.faults.checker import Verdict, judge_rows
from tests.faults.nemesis import kill
from tests.waiting import eventually

pytestmark = pytest.mark.faults
TABLES = ("posts", "likes")
BURST = 20


@dataclass
class Writer:
    """The app at work: bursts of posts, each with a like; every tenth post is deleted again, its like with it."""

    author: int
    readers: list[int]
    kept: dict[str, set[int]] = field(default_factory=lambda: {table: set() for table in TABLES})
    deleted: dict[str, set[int]] = field(default_factory=lambda: {table: set() for table in TABLES})
    changes: int = 0

    async def burst(self, sql: asyncpg.Connection) -> None:
        """One transaction."""
        async with sql.transaction():
            posts = await _ids(sql, "INSERT INTO posts (author_id) SELECT $1 FROM generate_series(1, $2) RETURNING id",
                               self.author, BURST)  # fmt: skip
            likes = await _ids(sql, "INSERT INTO likes (post_id, user_id) SELECT unnest($1::bigint[]), $2 RETURNING id",
                               posts, self.readers[0])  # fmt: skip
            gone = posts[::10]
            await sql.execute("DELETE FROM posts WHERE id = ANY($1::bigint[])", gone)
        for table, ids in zip(TABLES, (posts, likes), strict=True):
            self.kept[table] |= set(ids) - set(ids[::10])
            self.deleted[table] |= set(ids[::10])
        self.changes += 2 * (BURST + len(gone))

    @asynccontextmanager
    async def at_work(self, sql: asyncpg.Connection) -> AsyncIterator[None]:
        """Bursts as long as the block lasts: some hundred changes a second."""
        stop = asyncio.Event()

        async def work() -> None:
            while not stop.is_set():
                await self.burst(sql)
                await asyncio.sleep(0.05)

        working = asyncio.create_task(work())
        try:
            yield
        finally:
            stop.set()
            await working


async def test_what_is_written_while_connect_is_killed_again_and_again_arrives_once(bench: Bench) -> None:
    async with bench.row(11, "kill -9 of Kafka Connect in mid-batch") as line:
        before = await asyncio.to_thread(_records, bench)
        async with bench.flowing(line) as load, bench.connection() as sql, bench.watch() as watch:
            app = App(sql)
            writer = Writer(await app.person(), [await app.person()])
            kills = 20 if bench.full else 3
            async with writer.at_work(sql):
                with watch.fault():
                    for _ in range(kills):
                        at = await _kill_in_mid_batch(bench, writer)
                await hold(1)
            await bench.normal(line, at)
        rows = await _settled(bench, writer)
        again = await asyncio.to_thread(_records, bench) - before - writer.changes
        line.add(f"{kills} kills, {writer.changes:,} changes, {again:,} received again")
        await bench.judge(line, load, rows)
        bench.served(line, watch, "clickhouse", within_s=3)


async def _ids(sql: asyncpg.Connection, statement: str, *values: object) -> list[int]:
    return [row[0] for row in await sql.fetch(statement, *values)]


async def _kill_in_mid_batch(bench: Bench, writer: Writer) -> float:
    """Kill Connect while changes arrive, and wait until it is at work again; returns when it was killed."""
    before = writer.changes
    await eventually(lambda: as_coroutine(writer.changes > before + 500), 30)
    killed, at = kill(bench.pid("connect")), time.monotonic()
    await eventually(lambda: as_coroutine(bench.stack.pid("connect") not in {None, killed}), 60)
    made = max(writer.kept["posts"])
    await eventually(lambda: _is_there(bench, made), 60)
    return at


async def _is_there(bench: Bench, post: int) -> bool:
    """Whether a post made after the kill arrived: Connect is at work again."""
    return await visible.ids_of(bench.store, "posts", "id", [post]) == [post]


async def _settled(bench: Bench, writer: Writer) -> Verdict:
    until = time.monotonic() + SETTLED_S
    while True:
        posts = writer.kept["posts"] | writer.deleted["posts"]
        there = {
            "posts": await visible.ids_of(bench.store, "posts", "author_id", [writer.author]),
            "likes": await visible.ids_of(bench.store, "likes", "post_id", sorted(posts)),
        }
        found = Verdict()
        for table in TABLES:
            found += judge_rows(table, writer.kept[table], writer.deleted[table], there[table])
        if found.good or time.monotonic() > until:
            return found
        await asyncio.sleep(0.5)


def _records(bench: Bench) -> int:
    """Records in the topics of these tables."""
    admin = AdminClient({"bootstrap.servers": bench.stack.facts["kafka_brokers"], "log_level": 0})
    topics = [cdc_topic(table) for table in TABLES]
    places = [TopicPartition(topic.name, number) for topic in topics for number in range(topic.partitions)]
    newest = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    found = admin.list_offsets(dict.fromkeys(places, newest), request_timeout=10)
    return sum(future.result(10).offset for future in found.values())
