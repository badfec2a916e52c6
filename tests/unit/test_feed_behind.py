"""What a process does behind its answers, so that pages in memory need not ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from nova_feed.feed.behind import confirm, reread, reread_once
from nova_feed.feed.copies import CONFIRMED_S, TRUSTED_S
from nova_feed.feed.rules import PageRules
from tests.unit.test_clock import VirtualClock
from tests.unit.test_feed_copies import Kept
from tests.unit.test_feed_service import RulesNow, World

VIEWERS = range(1, 71)


class CountedRules(RulesNow):
    """Counts pages, and how many are read together."""

    def __init__(self) -> None:
        super().__init__()
        self.read_of: list[int] = []
        self.together = self.most_together = 0

    async def read(self, viewer_id: int, posts: Sequence[int], authors: Sequence[int]) -> PageRules:
        self.read_of.append(viewer_id)
        self.together += 1
        self.most_together = max(self.most_together, self.together)
        await asyncio.sleep(0)
        self.together -= 1
        return await super().read(viewer_id, posts, authors)


@asynccontextmanager
async def running(task: asyncio.Task[None]) -> AsyncIterator[None]:
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def turns() -> None:
    for _ in range(200):
        await asyncio.sleep(0)


@pytest.fixture
def copies() -> Kept:
    kept = Kept(VirtualClock())
    for viewer in VIEWERS:
        kept.keep(viewer=viewer)
    return kept


async def test_rules_of_copies_in_use_are_read_before_their_pages_would_wait_many_at_a_time(copies: Kept) -> None:
    rules = CountedRules()
    async with running(asyncio.create_task(reread(copies, rules, 0, 32))):
        await turns()
        assert rules.read_of == []
        copies.pass_s(TRUSTED_S / 2 + 1)
        for viewer in VIEWERS[:40]:  # the others are asked for by nobody
            copies.doubtful(viewer, 50)
        await turns()
        assert sorted(rules.read_of) == list(VIEWERS[:40])
        assert rules.most_together == 32
        copies.pass_s(TRUSTED_S / 2)
        assert copies.get(VIEWERS[0], 50) is not None
        assert copies.get(VIEWERS[-1], 50) is None


async def test_while_postgresql_does_not_say_they_are_not_all_asked_for(copies: Kept) -> None:
    rules = CountedRules()
    rules.away = True
    copies.pass_s(TRUSTED_S / 2 + 1)
    for viewer in VIEWERS:
        copies.doubtful(viewer, 50)
    await reread_once(copies, rules, 32)
    assert len(rules.read_of) == 32
    rules.away = False
    await reread_once(copies, rules, 32)
    assert len(rules.read_of) == 32 + len(VIEWERS)


async def test_a_copy_whose_rules_forbid_a_row_goes(copies: Kept) -> None:
    rules = CountedRules()
    rules.deleted = {2}
    async with running(asyncio.create_task(reread(copies, rules, 0, 32))):
        copies.pass_s(TRUSTED_S / 2 + 1)
        copies.doubtful(VIEWERS[0], 50)
        await turns()
        assert copies.doubtful(VIEWERS[0], 50) is None
        assert copies.doubtful(VIEWERS[1], 50) is not None


async def test_valkey_is_asked_of_copies_in_use_and_the_ones_it_does_not_name_go(copies: Kept) -> None:
    world = World()
    for viewer in VIEWERS[:-1]:
        await world.lists.put(viewer, "a", b"x", first=True)
    async with running(asyncio.create_task(confirm(copies, world.service, copies.virtual, 0, 32))):
        copies.pass_s(CONFIRMED_S)
        for viewer in VIEWERS:
            copies.doubtful(viewer, 50)
        await turns()
        assert copies.doubtful(VIEWERS[-1], 50) is None
        copies.pass_s(0.5)
        assert not copies.due(copies.found(VIEWERS[0]))
        world.lists.away = True
        copies.pass_s(CONFIRMED_S)
        copies.doubtful(VIEWERS[0], 50)
        await turns()
        assert copies.due(copies.found(VIEWERS[0]))  # nobody says so: it stays, for a while
