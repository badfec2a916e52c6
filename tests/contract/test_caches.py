"""Frozen lists and posts seen in a real Valkey, and in what unit tests take for it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable

import numpy as np
import pytest

from nova_feed.cache.builds import Builds
from nova_feed.cache.keys import BUILDS, FEED, LAST, LIST
from nova_feed.cache.lists import First, ListCache, Role, ToKeep
from nova_feed.cache.seen import RECENT, SeenCache
from nova_feed.errors import StoreUnavailableError
from nova_feed.local.ports import free_port
from nova_feed.local.valkey import Valkey
from tests.caches import ListsInMemory, SeenInMemory
from tests.waiting import eventually

pytestmark = pytest.mark.contract
NOW = 1_760_000_000_000
BODY = bytes(range(256)) * 40


@pytest.fixture(params=["valkey", "memory"])
async def lists(request: pytest.FixtureRequest, valkey: Valkey) -> AsyncIterator[ListCache]:
    made = ListCache.connect(valkey.url) if request.param == "valkey" else ListsInMemory()
    yield made
    if request.param == "valkey":
        await made.client.flushdb()
    await made.close()


@pytest.fixture(params=["valkey", "memory"])
def away(request: pytest.FixtureRequest) -> ListCache:
    """A cache that cannot be reached."""
    if request.param == "valkey":
        return ListCache.connect(f"redis://127.0.0.1:{free_port()}/0")
    made = ListsInMemory()
    made.away = True
    return made


@pytest.fixture(params=["valkey", "memory"])
async def seen(request: pytest.FixtureRequest, valkey: Valkey) -> AsyncIterator[SeenCache]:
    connected = ListCache.connect(valkey.url)
    yield SeenCache(connected.client) if request.param == "valkey" else SeenInMemory()
    await connected.client.flushdb()
    await connected.close()


async def test_a_list_comes_back_to_its_viewer_byte_by_byte_and_to_nobody_else(lists: ListCache) -> None:
    await lists.put(1, "a", BODY, first=False)
    assert await lists.get(1, "a") == BODY
    assert [await lists.get(2, "a"), await lists.get(1, "b")] == [None, None]


async def test_the_newest_list_put_as_the_first_answers_first_pages(lists: ListCache) -> None:
    assert await lists.first(1) is None
    await lists.put(1, "a", b"one", first=True)
    await lists.put(1, "b", b"two", first=True)
    await lists.put(1, "c", b"three", first=False)
    assert [await lists.first(1), await lists.first(2)] == [b"two", None]
    await lists.put_all([ToKeep(2, "d", b"four", first=True), ToKeep(1, "e", b"five", first=False)])
    found = await lists.firsts([2, 3, 1])
    assert found == {2: First(b"four", outdated=False), 3: None, 1: First(b"two", outdated=False)}
    assert await lists.get(1, "e") == b"five"
    assert await lists.get(1, "a") == b"one"


async def test_a_list_that_is_outdated_is_there_to_answer_where_nothing_newer_is(lists: ListCache) -> None:
    await lists.put(41, "a", b"one", first=True)
    await lists.put(42, "b", b"two", first=True)
    await lists.outdate([41, 42, 43])
    assert [await lists.first(viewer) for viewer in (41, 42)] == [None, None]
    found = await lists.firsts([41, 42, 43])
    assert found == {41: First(b"one", outdated=True), 42: First(b"two", outdated=True), 43: None}
    await lists.go_on(41, "a", 5)
    await lists.put(42, "c", b"newer", first=True)
    await lists.go_on(42, "b", 5)
    assert [await lists.first(viewer) for viewer in (41, 42)] == [b"one", b"newer"]
    await lists.forget([41, 42])
    assert await lists.firsts([41, 42]) == {41: None, 42: None}


async def test_of_many_lists_it_is_told_which_still_answer_first_pages(lists: ListCache) -> None:
    for viewer, list_id in ((31, "old"), (31, "new"), (32, "one"), (33, "gone")):
        await lists.put(viewer, list_id, b"x", first=True)
    await lists.forget([33])
    asked = [(31, "old"), (31, "new"), (32, "one"), (33, "gone"), (34, "none")]
    assert await lists.roles(asked) == [Role.REPLACED, Role.FIRST, Role.FIRST, Role.GONE, Role.GONE]
    assert await lists.roles(asked[1:2]) == [Role.FIRST]
    await lists.outdate([31, 32])
    assert await lists.roles(asked) == [Role.REPLACED] * 3 + [Role.GONE] * 2
    assert await lists.roles(asked, outdated_too=True) == [Role.REPLACED, Role.FIRST, Role.FIRST, Role.GONE, Role.GONE]


async def test_a_viewer_who_is_forgotten_has_no_first_list_but_keeps_those_that_cursors_read(lists: ListCache) -> None:
    for viewer in (1, 2, 3):
        await lists.put(viewer, "a", BODY, first=True)
    await lists.forget([1, 2, 99])
    assert [await lists.first(viewer) for viewer in (1, 2, 3)] == [None, None, BODY]
    assert await lists.get(1, "a") == BODY


async def test_forgetting_nobody_and_very_many_is_well(lists: ListCache) -> None:
    await lists.put(2_499, "a", BODY, first=True)
    await lists.forget([])
    assert await lists.first(2_499) == BODY
    await lists.forget(range(2_500))
    assert await lists.first(2_499) is None


async def test_the_server_says_which_it_is(lists: ListCache) -> None:
    assert (await lists.version())[0].isdigit()


@pytest.mark.parametrize(
    "call",
    [
        lambda lists: lists.first(1),
        lambda lists: lists.get(1, "a"),
        lambda lists: lists.put(1, "a", b"", first=True),
        lambda lists: lists.forget([1]),
        lambda lists: lists.outdate([1]),
        lambda lists: lists.go_on(1, "a", 5),
        lambda lists: lists.version(),
    ],
    ids=["first", "get", "put", "forget", "outdate", "go on", "version"],
)
async def test_a_cache_that_is_away_says_so_whatever_it_is_asked(
    away: ListCache, call: Callable[[ListCache], Awaitable[object]]
) -> None:
    with pytest.raises(StoreUnavailableError, match=r"valkey is unavailable: ."):
        await call(away)


async def test_a_cache_that_is_full_says_so_and_what_it_has_can_be_read(valkey: Valkey) -> None:
    lists, limit = ListCache.connect(valkey.url), ("maxmemory-policy", "maxmemory")
    before = [str((await lists.client.config_get(name))[name]) for name in limit]
    await lists.put(7, "a", BODY, first=True)
    try:
        for name, value in zip(limit, ("noeviction", "1"), strict=True):
            await lists.client.config_set(name, value)
        with pytest.raises(StoreUnavailableError, match="valkey is unavailable: it is full") as told:
            await lists.put(7, "b", BODY, first=True)
        assert told.value.answers
        assert [await lists.get(7, "a"), await lists.first(7)] == [BODY, BODY]
    finally:
        for name, value in reversed(list(zip(limit, before, strict=True))):
            await lists.client.config_set(name, value)
        await lists.close()


async def test_every_key_has_a_life_and_reading_a_list_renews_it(valkey: Valkey) -> None:
    lists = ListCache.connect(valkey.url, ttls=lambda: (50, 100))
    await lists.put(7, "a", BODY, first=True)
    await lists.client.expire(LIST.of(7, "a"), 20)
    await lists.first(7)
    assert 90 < await lists.client.ttl(LIST.of(7, "a")) <= 100
    assert 0 < await lists.client.ttl(FEED.of(7)) <= 50
    assert 90 < await lists.client.ttl(LAST.of(7)) <= 100
    await lists.outdate([7])
    await lists.go_on(7, "a", 5)
    assert 0 < await lists.client.ttl(FEED.of(7)) <= 5
    await lists.close()


async def test_a_first_list_that_expired_before_its_pointer_is_as_good_as_none(valkey: Valkey) -> None:
    lists = ListCache.connect(valkey.url)
    await lists.put(8, "a", BODY, first=True)
    await lists.client.unlink(LIST.of(8, "a"))
    assert await lists.first(8) is None
    await lists.close()


async def test_a_server_that_is_stopped_costs_a_tenth_of_a_second_and_answers_again_afterwards(valkey: Valkey) -> None:
    lists = ListCache.connect(valkey.url)
    await lists.put(9, "a", BODY, first=True)
    [pid] = valkey.pids
    os.kill(pid, signal.SIGSTOP)
    try:
        started = asyncio.get_running_loop().time()
        with pytest.raises(StoreUnavailableError):
            await lists.first(9)
        assert asyncio.get_running_loop().time() - started < 1
    finally:
        os.kill(pid, signal.SIGCONT)

    async def answers() -> bool:
        try:
            return await lists.first(9) == BODY
        except StoreUnavailableError:
            return False

    await eventually(answers, 5)
    await lists.close()


async def test_a_viewer_has_seen_what_was_marked_for_him_and_nothing_else(seen: SeenCache) -> None:
    posts = np.arange(1, 31)
    assert not (await seen.read([1]))[1].among(posts).any()
    await seen.mark([(1, 3), (1, 17), (2, 4)], NOW)
    await seen.mark([(1, 17), (1, 2**62)], NOW + 1)
    await seen.mark([], NOW + 2)
    known = await seen.read([1, 2, 3])
    assert [posts[known[viewer].among(posts)].tolist() for viewer in known] == [[3, 17], [4], []]
    assert known[1].among(np.array([2**62])).all()


async def test_of_many_posts_seen_the_newest_stay_exactly_and_the_others_in_the_filter(valkey: Valkey) -> None:
    connected = ListCache.connect(valkey.url)
    seen, many = SeenCache(connected.client), 2 * RECENT
    for post in range(1, many + 1):
        await seen.mark([(7, post)], NOW + post)
    known = (await seen.read([7]))[7]
    newest = set(range(many - RECENT + 1, many + 1))
    assert newest <= set(known.recent.tolist())
    assert len(known.recent) < RECENT + 100
    assert known.among(np.arange(1, many + 1)).all()
    assert known.among(np.arange(many + 1, 2 * many)).mean() < 0.01
    await connected.client.flushdb()
    await connected.close()


async def test_a_seen_cache_that_is_away_says_so(away: ListCache) -> None:
    gone = SeenCache(away.client) if not isinstance(away, ListsInMemory) else SeenInMemory()
    if isinstance(gone, SeenInMemory):
        gone.away = True
    for call in (gone.read([1]), gone.mark([(1, 2)], NOW)):
        with pytest.raises(StoreUnavailableError, match="valkey"):
            await call


async def test_what_is_kept_for_a_viewer_is_found_with_what_answers_first_pages(lists: ListCache) -> None:
    nothing = await lists.kept(7, 1_000_000)
    assert (nothing.first, nothing.lists, nothing.complete) == (None, (), True)
    await lists.put(7, "aaaaaaaaaaaa", BODY, first=True)
    await lists.put(7, "bbbbbbbbbbbb", BODY[:99], first=False)
    await lists.put(77, "cccccccccccc", b"of somebody else", first=True)
    kept = await lists.kept(7, 1_000_000)
    assert (kept.first, kept.complete) == ("aaaaaaaaaaaa", True)
    assert [body for _, body in kept.lists] == [BODY, BODY[:99]]
    assert all(590 <= ttl_s <= 600 for ttl_s, _ in kept.lists)
    assert 107 <= kept.first_ttl_s <= 120  # a tenth less at most, in whole seconds


async def test_each_build_of_a_table_is_another_one_and_known_to_everybody(valkey: Valkey) -> None:
    here, there = ListCache.connect(valkey.url), ListCache.connect(valkey.url)
    told, reads = Builds(here.client), Builds(there.client)
    assert await reads.newest() == {}
    seen = []
    for table in ("hot_posts", "author_posts", "hot_posts"):
        await told.tell(table)
        seen.append(await reads.newest())
    both = {"hot_posts", "author_posts"}
    assert [set(builds) for builds in seen] == [{"hot_posts"}, both, both]
    assert seen[0]["hot_posts"] == seen[1]["hot_posts"] != seen[2]["hot_posts"]
    assert 3500 < await here.client.ttl(BUILDS.of()) <= 3600
    for lists in (here, there):
        await lists.close()
