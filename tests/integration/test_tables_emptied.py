"""Rows that go without a word of capture: a TRUNCATE, a partition. A process hears of it from PostgreSQL itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from nova_feed.clock import SystemClock
from nova_feed.feed.behind import watch_postgres
from nova_feed.feed.changes import Changes
from tests.waiting import eventually

pytestmark = pytest.mark.integration
OFTEN_S, SOON_S = 0.05, 10.0


class Heard:
    """How often everything had to be forgotten."""

    def __init__(self) -> None:
        self.times = 0
        self.changes = Changes(SystemClock(), lambda _: None, self._forget)

    def _forget(self) -> None:
        self.times += 1

    async def is_heard(self, times: int) -> None:
        async def so_often() -> bool:
            return self.times == times

        await eventually(so_often, SOON_S)


@pytest.fixture
async def heard(pool: asyncpg.Pool) -> AsyncIterator[Heard]:
    one = Heard()
    task = asyncio.create_task(watch_postgres(pool, one.changes, SystemClock(), OFTEN_S))

    async def reads() -> bool:
        return one.changes._files is not None

    await eventually(reads, SOON_S)
    yield one
    task.cancel()


@pytest.mark.parametrize("table", ["blocks", "mutes", "follows", "nova_hidden", "posts"])
async def test_a_table_that_is_emptied_is_heard_of(pool: asyncpg.Pool, heard: Heard, table: str) -> None:
    number = heard.changes.number
    await pool.execute(f"TRUNCATE {table} CASCADE")
    await heard.is_heard(1)
    assert heard.changes.since == heard.changes.number == number + 1


async def test_rows_that_come_and_go_are_not_taken_for_it(pool: asyncpg.Pool, heard: Heard) -> None:
    await pool.execute("INSERT INTO users (username) VALUES ('a'), ('b')")
    for _ in range(3):
        await pool.execute("INSERT INTO mutes (muter_id, muted_id) SELECT min(id), max(id) FROM users")
        await pool.execute("DELETE FROM mutes")
        await pool.execute("VACUUM mutes")
        await asyncio.sleep(2 * OFTEN_S)
    assert heard.times == 0


async def test_a_partition_that_is_taken_out_or_emptied_is_heard_of(pool: asyncpg.Pool, heard: Heard) -> None:
    await pool.execute("ALTER TABLE mutes RENAME TO mutes_before")
    await pool.execute("CREATE TABLE mutes (muter_id bigint, muted_id bigint) PARTITION BY RANGE (muter_id)")
    await pool.execute("CREATE TABLE mutes_low PARTITION OF mutes FOR VALUES FROM (0) TO (1000)")
    await pool.execute("CREATE TABLE mutes_high PARTITION OF mutes FOR VALUES FROM (1000) TO (2000)")

    async def quiet() -> bool:
        before = heard.times
        await asyncio.sleep(4 * OFTEN_S)
        return heard.times == before > 0

    await eventually(quiet, SOON_S)
    times = heard.times
    await pool.execute("TRUNCATE mutes_low")
    await heard.is_heard(times + 1)
    await pool.execute("ALTER TABLE mutes DETACH PARTITION mutes_high")
    await heard.is_heard(times + 2)
