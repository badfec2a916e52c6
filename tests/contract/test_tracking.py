"""A real Valkey tells which viewers' first lists changed, whoever changed them and however."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

import pytest
import redis.asyncio as redis

from nova_feed.cache.keys import FEED, LIST
from nova_feed.cache.lists import ListCache, Role
from nova_feed.cache.tracking import SILENT_S, Tracking
from nova_feed.clock import SystemClock
from nova_feed.feed.firsts import Firsts
from nova_feed.local.ports import free_port
from nova_feed.local.valkey import Valkey
from tests.waiting import eventually

pytestmark = pytest.mark.contract
SOON_S = 10.0


class Ear(Firsts):
    """What was told, in full."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.viewers: list[int] = []
        self.times_all = self.times_began = 0
        self.until = float("-inf")
        self.unwritten: dict[int, float] = {}  # written and acknowledged, and when, and not told yet
        self.late: list[int] = []

    def began(self) -> None:
        super().began()
        self.times_began += 1

    def changed(self, viewers: Iterable[int]) -> None:
        told = list(viewers)
        super().changed(told)
        self.viewers += told
        for viewer in told:
            self.unwritten.pop(viewer, None)

    def all_changed(self) -> None:
        super().all_changed()
        self.times_all += 1

    def heard(self, until: float) -> None:
        super().heard(until)
        self.until = until
        self.late += [viewer for viewer, at in self.unwritten.items() if at < until]

    async def hears(self) -> None:
        """Wait until everything written up to now has been told."""
        now = time.monotonic()

        async def all_of_it() -> bool:
            return self.until > now

        await eventually(all_of_it, SOON_S)


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[Ear]:
    ear = Ear()
    task = asyncio.create_task(Tracking(url).run(ear))
    yield ear
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.fixture
async def lists(valkey: Valkey) -> AsyncIterator[ListCache]:
    made = ListCache.connect(valkey.url)
    yield made
    await made.client.flushdb()
    await made.close()


async def test_every_change_of_a_first_list_is_told_and_nothing_else_is(valkey: Valkey, lists: ListCache) -> None:
    async with listening(valkey.url) as ear:
        await ear.hears()
        await lists.put(1, "a", b"one", first=True)
        await lists.put(2, "b", b"two", first=True)
        await ear.hears()
        assert sorted(ear.viewers) == [1, 2]
        ear.viewers.clear()
        await lists.put(3, "c", b"three", first=False)  # what cursors read says nothing of first pages
        assert await lists.roles([(1, "a"), (2, "b")]) == [Role.FIRST, Role.FIRST]
        await lists.firsts([1, 2, 3])
        await ear.hears()
        assert ear.viewers == []
        await lists.outdate([1])
        await lists.forget([2])
        await lists.go_on(1, "a", 5)
        await ear.hears()
        assert sorted(ear.viewers) == [1, 1, 2]


async def test_a_list_that_had_its_time_is_told_of(valkey: Valkey, lists: ListCache) -> None:
    async with listening(valkey.url) as ear:
        await ear.hears()
        await lists.client.set(FEED.of(5), "a", px=2_000)
        await ear.hears()
        ear.viewers.clear()

        async def told() -> bool:
            return ear.viewers == [5]

        await eventually(told, SOON_S)


async def test_a_flush_takes_everybody_s(valkey: Valkey, lists: ListCache) -> None:
    async with listening(valkey.url) as ear:
        await ear.hears()
        await lists.client.flushdb()
        await ear.hears()
        assert ear.times_all == 1


async def test_what_is_heard_of_is_complete_however_much_is_written(valkey: Valkey) -> None:
    """Whatever was acknowledged before the moment that is told, has been told by then."""

    async def write(worker: int) -> int:
        client = redis.Redis.from_url(valkey.url)
        n, end = 0, time.monotonic() + 2
        while time.monotonic() < end:
            viewer = worker * 1_000_000 + n
            await client.set(FEED.of(viewer), "x", px=60_000)
            if viewer not in told:
                ear.unwritten[viewer] = time.monotonic()
            n += 1
        await client.aclose()
        return n

    async with listening(valkey.url) as ear:
        await ear.hears()
        told = set[int]()
        changed = ear.changed

        def note(viewers: Iterable[int]) -> None:
            some = list(viewers)
            told.update(some)
            changed(some)

        ear.changed = note  # type: ignore[method-assign]
        written = sum(await asyncio.gather(*(write(worker) for worker in range(1, 9))))
        await ear.hears()
        assert len(told) == written > 100
        assert ear.late == []


async def test_a_connection_that_is_lost_is_made_anew_and_what_came_before_is_not_relied_on(
    valkey: Valkey, lists: ListCache
) -> None:
    async with listening(valkey.url) as ear:
        await ear.hears()
        confirmed = ear.until
        assert ear.known_at(confirmed) == confirmed
        await lists.client.client_kill_filter(_type="pubsub")
        await ear.hears()
        assert ear.times_began == 2
        assert ear.known_at(confirmed) == confirmed
        now = time.monotonic()
        await ear.hears()
        assert ear.known_at(now) > now


async def test_a_server_that_hangs_is_not_heard_of(valkey: Valkey, lists: ListCache) -> None:
    async with listening(valkey.url) as ear:
        await ear.hears()
        pid = (await lists.client.info("server"))["process_id"]
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(SILENT_S + 1)
            until = ear.until
            assert time.monotonic() - until > SILENT_S
        finally:
            os.kill(pid, signal.SIGCONT)
        await ear.hears()
        assert ear.times_began == 2
        await lists.put(9, "a", b"one", first=True)
        await ear.hears()
        assert 9 in ear.viewers


async def test_a_server_that_does_not_let_us_track_is_asked_as_before(valkey: Valkey, lists: ListCache) -> None:
    await lists.client.acl_setuser(
        "plain", enabled=True, passwords=["+secret"], keys=["*"], channels=["*"],
        categories=["+@all"], commands=["-client|tracking"],
    )  # fmt: skip
    async with listening(valkey.url.replace("redis://", "redis://plain:secret@")) as ear:
        await asyncio.sleep(1)
        assert ear.times_began == 0
        assert ear.known_at(5.0) == 5.0
    async with listening(f"redis://127.0.0.1:{free_port()}/0") as ear:
        await asyncio.sleep(0.5)
        assert ear.times_began == 0


def test_keys_of_lists_are_not_taken_for_those_of_viewers() -> None:
    assert not LIST.of(7, "a").startswith(FEED.of(""))
