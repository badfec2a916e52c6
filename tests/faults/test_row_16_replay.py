"""Row 16: every topic is read again from its first record, under load."""

from __future__ import annotations

import asyncio
import time

import pytest

from nova_feed.stream.offsets import rewind
from nova_feed.topics import CDC, EVENTS, HEARTBEAT
from tests.app import App
from tests.faults import visible
from tests.faults.bench import Bench
from tests.faults.checker import judge_rows
from tests.waiting import eventually

pytestmark = pytest.mark.faults
QUEUES = {
    "events_queue": ("events_group", [EVENTS]),
    "recent_queue": ("recent_group", [EVENTS]),
    "cdc_queue": ("nova_cdc", [*CDC, HEARTBEAT]),
}
ENOUGH = 5_000  # records that a consumer under load may be behind and still be called up to date


async def test_a_replay_of_every_topic_from_its_first_record_moves_no_count(bench: Bench) -> None:
    async with bench.row(16, "replay of all topics from offset 0") as line:
        async with bench.flowing(line) as load, bench.connection() as sql:
            app, author = App(sql), load.world.authors[0]
            doomed = [await app.post(author) for _ in range(10)]
            kept = [post for post, by in load.world.posts if by == author]
            await eventually(lambda: _are_there(bench, [*kept, *doomed]), 30)
            for post in doomed:
                await app.delete(post)
            await eventually(lambda: _are_there(bench, kept, author), 30)
            at = time.monotonic()
            # Without merges what is received again stays to be seen.
            await bench.store.command("SYSTEM STOP MERGES events")
            try:
                read = {queue: await _replay(bench, queue) for queue in QUEUES}
                took = time.monotonic() - at
                await bench.normal(line, at)
                posts = load.world.post_ids
                again = (await visible.events_of(bench.store, posts, load.world.authors)).received_again
            finally:
                await bench.store.command("SYSTEM START MERGES events")
        line.add(f"{' and '.join(f'{n:,}' for n in read.values())} records read again in {took:.1f} s")
        line.add(f"{again:,} events of this load were received again")
        there = await visible.ids_of(bench.store, "posts", "author_id", [author])
        await bench.judge(line, load, judge_rows("posts", kept, doomed, there))
        assert again > 0, "the events were not read again"
        await _tables_agree(bench)


async def _replay(bench: Bench, queue: str) -> int:
    """Read a queue's topics again; returns how many records that were, once the consumer is up to date."""
    group, topics = QUEUES[queue]
    brokers, records = bench.stack.facts["kafka_brokers"], 0
    await bench.store.command(f"DETACH TABLE {queue}")
    try:
        for topic in topics:
            records += await asyncio.to_thread(rewind, brokers, group, topic.name, None)
    finally:
        await bench.store.command(f"ATTACH TABLE {queue}")

    async def is_done() -> bool:
        return await bench.lag(group) < ENOUGH

    await eventually(is_done, 240)
    return records


async def _are_there(bench: Bench, posts: list[int], author: int | None = None) -> bool:
    column, values = ("id", posts) if author is None else ("author_id", [author])
    return sorted(await visible.ids_of(bench.store, "posts", column, values)) == sorted(posts)


async def _tables_agree(bench: Bench) -> None:
    """``nova cdc verify``: every captured table, whole."""

    async def agree() -> bool:
        return (await asyncio.to_thread(bench.stack.nova, "cdc", "verify")).returncode == 0

    await eventually(agree, 30)
