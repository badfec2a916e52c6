"""What a process does behind its answers, so that pages in memory need not ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

import pytest

from nova_feed.cache.lists import Role
from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.behind import confirm, make_anew, reread, reread_once
from nova_feed.feed.copies import CONFIRMED_S, COUNTED_S, TRUSTED_S
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


async def test_posts_newer_than_a_list_are_counted_when_rules_were_read_anew(copies: Kept) -> None:
    rules, viewer = CountedRules(), VIEWERS[0]
    rules.made_since = [1, 2, 3]
    await copies.reread(copies.found(viewer), rules)
    await reread_once(copies, rules, 32)
    assert copies.found(viewer).newer == 0
    copies.pass_s(COUNTED_S + 1)
    await copies.reread(copies.found(viewer), rules)
    await reread_once(copies, rules, 32)
    assert copies.found(viewer).newer == 3
    assert copies.found(VIEWERS[1]).newer == 0


async def test_who_is_told_of_is_asked_about_at_once_and_what_was_replaced_made_anew_once(copies: Kept) -> None:
    world, made = World(), list[int]()

    async def make(viewer: int, limit: int) -> None:
        made.append(viewer)
        if viewer != VIEWERS[2]:
            copies.keep(viewer, limit, list_id="b")

    for viewer in VIEWERS[:3]:
        await world.lists.put(viewer, "a", b"x", first=True)
        copies.found(viewer)
        copies.found(viewer)
    async with (
        running(asyncio.create_task(confirm(copies, world.service, copies.virtual, 3600, gather_s=0))),
        running(asyncio.create_task(make_anew(copies, make))),
    ):
        await turns()
        copies.virtual.pass_s(0.1)
        copies.beat()
        for viewer in VIEWERS[1:3]:
            await world.lists.put(viewer, "b", b"x", first=True)
        copies.firsts.changed(VIEWERS[:3])
        await turns()
        assert sorted(made) == list(VIEWERS[1:3])
        assert [copies.found(viewer).list_id for viewer in VIEWERS[:2]] == ["a", "b"]
        assert copies.doubtful(VIEWERS[2], 50) is None  # it could not be kept: who comes next makes it for himself


async def test_what_fails_while_a_page_is_made_anew_leaves_no_old_one_and_goes_on(copies: Kept) -> None:
    made = list[int]()

    async def make(viewer: int, limit: int) -> None:
        made.append(viewer)
        if viewer == VIEWERS[0]:
            raise StoreUnavailableError("postgres", "no connection")
        if viewer == VIEWERS[1]:
            raise ZeroDivisionError
        copies.keep(viewer, limit, list_id="b")

    async with running(asyncio.create_task(make_anew(copies, make, 1))):
        for viewer in VIEWERS[:3]:
            copies.found(viewer)
            copies.judge([copies.found(viewer)], [Role.REPLACED], copies.virtual.monotonic())
        await turns()
    assert made == list(VIEWERS[:3])
    assert [copies.doubtful(viewer, 50) is None for viewer in VIEWERS[:3]] == [True, True, False]


async def test_valkey_is_asked_of_copies_in_use_and_the_ones_it_does_not_name_go(copies: Kept) -> None:
    world = World()
    for viewer in VIEWERS[:-1]:
        await world.lists.put(viewer, "a", b"x", first=True)
    async with running(asyncio.create_task(confirm(copies, world.service, copies.virtual, 0, 32, gather_s=0))):
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
