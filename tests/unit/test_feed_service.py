"""The use case: who is asked for a page, what is kept, and what is answered when stores are away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from nova_feed.cache.lists import Role
from nova_feed.errors import CursorError, CursorExpiredError, StoreUnavailableError
from nova_feed.feed.breaker import CLOSED, OPEN
from nova_feed.feed.changes import LATEST_S
from nova_feed.feed.copies import Copies, Rows
from nova_feed.feed.cursor import CursorSigner
from nova_feed.feed.inspect import Facts, PostFacts, Standing
from nova_feed.feed.known import Proposal
from nova_feed.feed.nearby import NearbyLists
from nova_feed.feed.patience import SHORT_S
from nova_feed.feed.rules import PageRules, Rules
from nova_feed.feed.service import (
    ENOUGH,
    GATHER_S,
    VALKEY_OPEN_S,
    FeedService,
    Page,
)
from nova_feed.feed.sources import Sources
from nova_feed.feed.timeline import Timeline
from nova_feed.ranking import Candidates, Source, ViewerRules
from nova_feed.runtime import Live, Runtime
from tests.caches import BuildsInMemory, ListsInMemory, SeenInMemory
from tests.unit.test_clock import VirtualClock

POSTS = 60
SOFT_AGE_MS, YOUNG_AGE_MS = Runtime().soft_age_ms, Runtime().young_age_ms


class ClickHouse(Sources):
    """Proposes the posts it is given to everybody. Waits for ``open``; ``away`` is looked at when it answers."""

    def __init__(self, clock: VirtualClock) -> None:
        self.posts, self.away = range(1, POSTS + 1), False
        self.batches: list[tuple[int, ...]] = []
        self.builds: Mapping[str, str] = {}
        self.open = asyncio.Event()
        self.open.set()
        self._virtual = clock
        self._came = asyncio.Condition()

    async def propose(self, viewers: Sequence[int], builds: Mapping[str, str]) -> Mapping[int, Proposal]:
        self.builds = builds
        async with self._came:
            self.batches.append(tuple(viewers))
            self._came.notify_all()
        await self.open.wait()
        if self.away:
            raise StoreUnavailableError("clickhouse", "no answer")
        return {viewer: proposal(viewer, self.posts, self._virtual, Source.FOLLOWEE) for viewer in viewers}

    async def was_asked(self, times: int) -> None:
        async with self._came:
            await self._came.wait_for(lambda: len(self.batches) >= times)


class PostgreSQL(Timeline):
    """Proposes the newest three posts."""

    def __init__(self, clock: VirtualClock) -> None:
        self.away, self._virtual = False, clock

    async def propose(self, viewer_id: int) -> Proposal:
        if self.away:
            raise StoreUnavailableError("postgres", "no answer")
        return proposal(viewer_id, range(1, 4), self._virtual, Source.TIMELINE)


class RulesNow(Rules):
    """Everything may be shown but what a test takes away."""

    def __init__(self) -> None:
        self.away = False
        self.deleted: set[int] = set()
        self.hidden: set[int] = set()
        self.unfollowed: set[int] = set()
        self.made_since: list[int] = []

    async def read(self, viewer_id: int, posts: Sequence[int], authors: Sequence[int]) -> PageRules:
        if self.away:
            raise StoreUnavailableError("postgres", "no answer")
        return PageRules(
            frozenset(posts) - self.deleted, frozenset(authors) & self.hidden, frozenset(authors) - self.unfollowed
        )

    async def newer(self, viewer_id: int, since_ms: int) -> int | None:
        return None if self.away else sum(made > since_ms for made in self.made_since)


_PLAIN = {"followed": True, "blocked": False, "blocked_by": False, "muted": False, "hidden": False}


class FactsNow(PostFacts):
    """What is known of a post: it was made an hour ago by somebody whom the viewer follows; post 404 is not there."""

    def __init__(self) -> None: ...

    async def read(self, viewer_id: int, post_id: int) -> Facts | None:
        return None if post_id == 404 else Facts(author_of(post_id), 0, **_PLAIN)


def author_of(post_id: int) -> int:
    return 100 + post_id % 20


def proposal(viewer: int, posts: Sequence[int], clock: VirtualClock, source: Source) -> Proposal:
    """Post 1 is the newest."""
    ids = np.array(posts, dtype=np.int64)
    candidates = Candidates.make(
        post_id=ids, author_id=100 + ids % 20, created_ms=clock.now_ms() - ids * 60_000, sources=source
    )
    return Proposal(candidates, ViewerRules(viewer), np.unique(candidates.author_id))


@dataclass
class World:
    """A service with all it stands on."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    lists: ListsInMemory = field(default_factory=ListsInMemory)
    seen: SeenInMemory = field(default_factory=SeenInMemory)
    builds: BuildsInMemory = field(default_factory=BuildsInMemory)
    rules: RulesNow = field(default_factory=RulesNow)
    live: Live = field(default_factory=lambda: Live(Runtime()))
    folder: Path | None = None  # of the lists of this host
    busy: bool = False

    def __post_init__(self) -> None:
        if self.folder is not None:
            self.folder.mkdir(exist_ok=True)
        self.clickhouse, self.postgres = ClickHouse(self.clock), PostgreSQL(self.clock)
        self.service = FeedService(
            sources=self.clickhouse, builds=self.builds, timeline=self.postgres, rules=self.rules, lists=self.lists,
            nearby=NearbyLists(self.folder, self.clock, lambda: self.live.now.list_ttl_s),
            facts=FactsNow(), seen=self.seen, signer=CursorSigner("a secret of a test, 32 characters"),
            clock=self.clock, runtime=self.live, busy=lambda: self.busy,
        )  # fmt: skip

    async def page(self, viewer: int = 7, *, algo: str = "ch", limit: int = 10, cursor: str | None = None) -> Page:
        return await self.service.page(viewer, algo=algo, limit=limit, cursor=cursor)

    async def pages(self, first: Page, *, algo: str = "ch", limit: int = 10) -> list[Page]:
        """``first`` and all that follow it."""
        found = [first]
        while found[-1].cursor is not None:
            found.append(await self.page(algo=algo, limit=limit, cursor=found[-1].cursor))
        return found

    async def refreshed(self) -> None:
        """Wait until nothing is ranked behind an answer any more."""
        while (tasks := set(self.service._refreshing.values())) or self.service._old:
            await (asyncio.wait(tasks) if tasks else asyncio.sleep(GATHER_S / 10))

    async def chosen(self) -> None:
        """Wait until it is settled which old lists are ranked anew."""
        await asyncio.sleep(2 * GATHER_S)
        assert not self.service._old

    def refreshing(self) -> int:
        """How many lists are being ranked behind answers."""
        return len(self.service._refreshing)


@pytest.fixture
def world() -> World:
    return World()


def posts_of(page: Page) -> list[int]:
    return [int(page.frozen.candidates.post_id[row]) for row in page.cut.rows]


async def test_a_first_page_is_ranked_and_kept_and_the_next_one_is_cut_from_the_same_list(world: World) -> None:
    ranked, kept = await world.page(), await world.page()
    assert (ranked.frozen.source, ranked.fallback, ranked.reason) == ("ranked", False, "")
    assert (ranked.cache_hit, kept.cache_hit) == (False, True)
    assert kept.frozen.list_id == ranked.frozen.list_id
    assert posts_of(kept) == posts_of(ranked)
    assert world.clickhouse.batches == [(7,)]


async def test_requests_of_a_viewer_that_come_together_share_one_list_whoever_gives_up(world: World) -> None:
    world.clickhouse.open.clear()
    asked = [asyncio.create_task(world.page()) for _ in range(20)]
    other = asyncio.create_task(world.page(algo="timeline"))
    await world.clickhouse.was_asked(1)
    asked.pop(0).cancel()
    world.clickhouse.open.set()
    lists = {page.frozen.list_id for page in await asyncio.gather(*asked)}
    assert lists == set(world.lists.named.values())
    assert len(world.lists.bodies) == 1 + ((await other).frozen.list_id not in lists)


async def test_a_list_that_could_not_be_made_for_some_is_made_for_who_comes_next(world: World) -> None:
    world.clickhouse.away = world.postgres.away = True
    failed = await asyncio.gather(*(world.page() for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in failed] == [StoreUnavailableError] * 3
    world.clickhouse.away = False
    assert (await world.page()).frozen.source == "ranked"


async def test_pages_by_cursor_are_the_whole_list_once_and_ask_no_store_to_rank(world: World) -> None:
    first = await world.page()
    world.clickhouse.away = world.postgres.away = True
    pages = await world.pages(first)
    assert sorted(post for page in pages for post in posts_of(page)) == list(range(1, POSTS + 1))
    assert [page.first_position for page in pages] == list(range(0, POSTS, 10))
    assert all(page.cache_hit and page.frozen.list_id == first.frozen.list_id for page in pages[1:])


async def test_a_cursor_reads_the_list_it_came_from_although_a_newer_one_answers_first_pages(world: World) -> None:
    first = await world.page()
    world.clickhouse.posts = range(1000, 1010)
    newer = await world.service.rank(7)
    assert [set(posts_of(page)) <= set(range(1, POSTS + 1)) for page in await world.pages(first)] == [True] * 6
    assert (await world.page()).frozen.list_id == newer.list_id


async def test_a_page_that_removals_left_empty_is_the_last_one(world: World) -> None:
    first = await world.page()
    world.rules.deleted = set(range(1, POSTS + 1))
    last = await world.page(cursor=first.cursor)
    assert (posts_of(last), last.cursor) == ([], None)


async def test_the_rules_of_the_moment_hold_on_a_list_that_was_kept(world: World) -> None:
    everything = posts_of(await world.page(limit=POSTS))
    deleted, hidden, unfollowed = everything[0], author_of(everything[1]), author_of(everything[2])
    world.rules.deleted, world.rules.hidden, world.rules.unfollowed = {deleted}, {hidden}, {unfollowed}
    page = await world.page(limit=POSTS)
    assert page.cache_hit
    left = {post for post in everything if post != deleted and author_of(post) not in {hidden, unfollowed}}
    assert set(posts_of(page)) == left


async def test_a_page_is_refused_when_nobody_knows_the_rules(world: World) -> None:
    first = await world.page()
    world.rules.away = True
    for cursor in (None, first.cursor):
        with pytest.raises(StoreUnavailableError):
            await world.page(cursor=cursor)


async def test_a_cursor_of_somebody_else_is_refused(world: World) -> None:
    first = await world.page(7)
    with pytest.raises(CursorError):
        await world.page(8, cursor=first.cursor)


@pytest.mark.parametrize("left", [None, b"", b"the list of another version"])
async def test_a_cursor_whose_list_is_gone_or_unreadable_has_expired(world: World, left: bytes | None) -> None:
    first = await world.page()
    world.lists.bodies = {} if left is None else dict.fromkeys(world.lists.bodies, left)
    with pytest.raises(CursorExpiredError):
        await world.page(cursor=first.cursor)


async def test_a_kept_list_that_cannot_be_read_is_as_good_as_none(world: World) -> None:
    await world.page()
    world.lists.bodies = dict.fromkeys(world.lists.bodies, b"the list of another version")
    page = await world.page()
    assert (page.cache_hit, len(page.cut.rows)) == (False, 10)


async def test_without_valkey_every_first_page_is_ranked_and_cursors_go_on_from_what_their_host_has(
    world: World, tmp_path: Path
) -> None:
    clock, lists, seen = world.clock, world.lists, world.seen
    here = World(clock=clock, lists=lists, seen=seen, folder=tmp_path)
    beside = World(clock=clock, lists=lists, seen=seen, folder=tmp_path)
    elsewhere = World(clock=clock, lists=lists, seen=seen, folder=tmp_path / "elsewhere")
    before = await here.page()
    lists.away = seen.away = True
    during = [await here.page(), await here.page()]
    assert [(page.frozen.source, page.cache_hit) for page in during] == [("ranked", False)] * 2
    for first in (before, *during):
        shown = [post for page in await beside.pages(first) for post in posts_of(page)]
        assert sorted(shown) == list(range(1, POSTS + 1))
        with pytest.raises(StoreUnavailableError, match="valkey"):
            await elsewhere.page(cursor=first.cursor)


async def test_a_list_that_valkey_has_not_is_brought_back_by_its_host_as_long_as_it_lives(tmp_path: Path) -> None:
    here = World(folder=tmp_path / "here")
    elsewhere = World(clock=here.clock, lists=here.lists, seen=here.seen, folder=tmp_path / "elsewhere")
    had = await here.page()
    here.lists.away = True
    never_had = await here.page()
    here.lists.away, here.lists.bodies = False, {}
    for page in (had, never_had):
        with pytest.raises(CursorExpiredError):
            await elsewhere.page(cursor=page.cursor)
        assert (await here.page(cursor=page.cursor)).frozen.list_id == page.frozen.list_id
        assert (await elsewhere.page(cursor=page.cursor)).frozen.list_id == page.frozen.list_id
    here.lists.bodies.clear()
    here.clock.pass_s(here.live.now.list_ttl_s + 1)
    with pytest.raises(CursorExpiredError):
        await here.page(cursor=had.cursor)


async def test_valkey_is_asked_again_every_two_seconds_so_that_cursors_go_on_soon_after_it_is_back(
    world: World,
) -> None:
    elsewhere = World(clock=world.clock, lists=world.lists, seen=world.seen)
    first = await elsewhere.page()
    world.lists.away = world.seen.away = True
    for _ in range(3):
        await world.page()
    world.lists.away = world.seen.away = False
    assert world.service.valkey.state == OPEN
    with pytest.raises(StoreUnavailableError, match="its breaker is open"):
        await world.page(cursor=first.cursor)
    world.clock.pass_s(VALKEY_OPEN_S)
    assert (await world.page(cursor=first.cursor)).frozen.list_id == first.frozen.list_id


async def test_posts_seen_are_left_out_while_there_is_enough_else(world: World) -> None:
    seen = set(range(1, POSTS - ENOUGH + 1))
    await world.seen.mark([(7, post) for post in seen], world.clock.now_ms())
    shown = [post for page in await world.pages(await world.page()) for post in posts_of(page)]
    assert sorted(shown) == list(range(POSTS - ENOUGH + 1, POSTS + 1))
    assert len((await world.page(8)).frozen) == POSTS


async def test_with_too_little_else_posts_seen_come_last_and_none_is_lost(world: World) -> None:
    seen = set(range(1, POSTS - ENOUGH + 2))
    await world.seen.mark([(7, post) for post in seen], world.clock.now_ms())
    shown = [post for page in await world.pages(await world.page()) for post in posts_of(page)]
    assert sorted(shown) == list(range(1, POSTS + 1))
    assert set(shown[-len(seen) :]) == seen


async def test_when_nobody_knows_what_was_seen_a_post_twice_is_better_than_no_feed(world: World) -> None:
    await world.seen.mark([(7, post) for post in range(1, 6)], world.clock.now_ms())
    world.seen.away = True
    page = await world.page()
    assert (page.frozen.source, len(page.frozen)) == ("ranked", POSTS)


async def test_a_page_says_how_many_posts_were_made_since_its_list(world: World) -> None:
    first = await world.page()
    made = first.frozen.as_of_ms
    world.rules.made_since = [made - 1, made, made + 1, made + 2]
    assert ((await world.page()).newer, (await world.page(cursor=first.cursor)).newer) == (2, 2)


async def test_without_clickhouse_a_timeline_answers_and_says_why(world: World) -> None:
    world.clickhouse.away = True
    page = await world.page(limit=2)
    assert (page.frozen.source, page.fallback, page.reason) == ("timeline", True, "clickhouse: no answer")
    assert sorted(post for part in await world.pages(page, limit=2) for post in posts_of(part)) == [1, 2, 3]


async def test_a_timeline_that_stood_in_never_answers_once_clickhouse_is_back(world: World) -> None:
    world.clickhouse.away = True
    await world.page()
    world.clickhouse.away = False
    page = await world.page()
    assert (page.frozen.source, page.fallback, page.cache_hit) == ("ranked", False, False)


@pytest.mark.parametrize("postgres_away", [False, True])
async def test_a_silent_clickhouse_is_waited_for_only_when_there_is_no_timeline(
    world: World, *, postgres_away: bool
) -> None:
    world.clickhouse.away = True
    await world.page(1)  # it has failed before: there is little patience
    world.clickhouse.away, world.postgres.away = False, postgres_away
    world.clickhouse.open.clear()
    asked = asyncio.create_task(world.page())
    if postgres_away:
        await world.clickhouse.was_asked(2)
        assert not (await asyncio.wait([asked], timeout=SHORT_S + 0.1))[0]
        world.clickhouse.open.set()
    page = await asked
    expected = ("ranked", "") if postgres_away else ("timeline", "clickhouse: no candidates yet")
    assert (page.frozen.source, page.reason) == expected
    world.clickhouse.open.set()
    await world.refreshed()
    again = await world.page()
    assert (again.frozen.source, again.cache_hit, len(world.clickhouse.batches)) == ("ranked", True, 2)


async def test_a_copy_is_shown_when_its_rules_are_read_anew_and_dropped_when_they_forbid_a_row(world: World) -> None:
    copies = Copies(world.clock)
    mark = copies.mark()
    rows = Rows.of((1, 2), (author_of(1), author_of(2)), (True, False))
    assert copies.put(mark, 7, 50, list_id="a", as_of_ms=0, body=b"{", newer=0, rows=rows)
    copy = copies.doubtful(7, 50)
    assert copy is not None
    world.clock.pass_s(LATEST_S + 1)
    assert not copies.known(copy)
    assert await copies.reread(copy, world.rules)
    assert copies.doubtful(7, 50) is copy
    assert copies.known(copy)
    world.clock.pass_s(LATEST_S + 1)
    world.rules.away = True
    assert not await copies.reread(copy, world.rules)
    assert copies.doubtful(7, 50) is copy
    world.rules.away, world.rules.unfollowed = False, {author_of(1)}
    assert not await copies.reread(copy, world.rules)
    assert copies.doubtful(7, 50) is None


async def test_an_outdated_list_is_ranked_anew_before_the_answer_while_that_is_quick(world: World) -> None:
    old = await world.page()
    await world.lists.outdate([7])
    newer, again = await world.page(), await world.page()
    assert (newer.frozen.source, newer.cache_hit, newer.fallback) == ("ranked", False, False)
    assert newer.frozen.list_id != old.frozen.list_id
    assert (again.frozen.list_id, again.cache_hit) == (newer.frozen.list_id, True)


async def test_an_outdated_list_answers_while_a_new_one_takes_long_which_answers_when_it_is_there(
    world: World,
) -> None:
    old = await world.page()
    await world.lists.outdate([7])
    world.clickhouse.open.clear()
    page = await world.page()  # waits a little
    assert (page.frozen.list_id, page.cache_hit, page.fallback) == (old.frozen.list_id, True, False)
    assert await world.lists.roles([(7, old.frozen.list_id)]) == [Role.FIRST]
    slow = asyncio.create_task(world.page(8))
    await world.lists.outdate([7])
    assert (await world.page()).frozen.list_id == old.frozen.list_id  # waits for nothing: it is known to take long
    world.clickhouse.open.set()
    await slow
    await world.refreshed()
    assert (await world.page()).frozen.list_id != old.frozen.list_id
    assert world.clickhouse.batches == [(7,), (7,), (8,)]


async def test_an_outdated_list_answers_while_clickhouse_is_away_and_a_timeline_where_there_is_none(
    world: World,
) -> None:
    old = await world.page()
    await world.lists.outdate([7])
    world.clickhouse.away = True
    page, other = await world.page(), await world.page(8)
    assert (page.frozen.list_id, page.fallback, page.cache_hit) == (old.frozen.list_id, False, True)
    assert (other.frozen.source, other.fallback) == ("timeline", True)


async def test_without_clickhouse_and_postgres_there_is_no_page(world: World) -> None:
    world.clickhouse.away = world.postgres.away = True
    with pytest.raises(StoreUnavailableError, match="postgres"):
        await world.page()


async def test_a_timeline_that_was_asked_for_is_no_fallback_and_disturbs_nobody(world: World) -> None:
    ranked = await world.page()
    page = await world.page(algo="timeline", limit=2)
    assert (page.frozen.source, page.fallback, page.reason, page.cache_hit) == ("timeline", False, "", False)
    assert len(world.clickhouse.batches) == 1
    assert (await world.page()).frozen.list_id == ranked.frozen.list_id


@pytest.mark.parametrize("algo", ["ch", "timeline"])
async def test_a_later_page_is_a_fallback_if_the_first_one_was_whatever_it_is_asked_with(
    world: World, algo: str
) -> None:
    asked_for = await world.page(algo="timeline", limit=2)
    world.clickhouse.away = True
    stood_in = await world.page(limit=2)
    later = [await world.page(algo=algo, cursor=page.cursor) for page in (asked_for, stood_in)]
    assert [page.fallback for page in later] == [False, True]


async def test_clickhouse_is_asked_with_the_newest_builds_and_without_them_while_nobody_tells(world: World) -> None:
    await world.builds.tell("hot_posts")
    await world.builds.tell("hot_posts")
    await world.page(1)
    assert world.clickhouse.builds == {"hot_posts": "2"}
    world.builds.away = True
    assert (await world.page(2)).frozen.source == "ranked"
    assert world.clickhouse.builds == {}


async def test_after_three_failed_questions_clickhouse_is_left_alone_for_half_a_minute(world: World) -> None:
    world.clickhouse.away = True
    for _ in range(5):
        assert (await world.page()).fallback
    assert (len(world.clickhouse.batches), world.service.clickhouse.state) == (3, OPEN)
    world.clickhouse.away = False
    world.clock.pass_s(30)
    assert (await world.page()).frozen.source == "ranked"


async def test_a_question_that_failed_for_a_crowd_is_one_failure(world: World) -> None:
    world.clickhouse.open.clear()
    first = asyncio.create_task(world.page(1))
    await world.clickhouse.was_asked(1)
    crowd = [asyncio.create_task(world.page(viewer)) for viewer in range(2, 40)]
    world.clickhouse.open.set()
    await first
    world.clickhouse.away = True
    await asyncio.gather(*crowd)
    assert len(world.clickhouse.batches) == 2
    assert world.service.clickhouse.state == CLOSED


async def test_a_post_is_inspected_in_a_list_ranked_for_the_question_alone() -> None:
    world = World()
    first = await world.page()
    listed = int(first.frozen.candidates.post_id[0])
    found, absent = await world.service.inspect(7, listed), await world.service.inspect(7, 404)
    assert (found.standing, found.position, absent.rule) == (Standing.LISTED, 0, "deleted")
    assert (await world.page()).frozen.list_id == first.frozen.list_id
