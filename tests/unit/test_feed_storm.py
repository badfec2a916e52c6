"""Whatever storm goes over the app, the pages of a cursor are the frozen list without what was removed, in order."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.cursor import CursorSigner
from nova_feed.feed.frozen import FrozenList
from nova_feed.feed.inspect import PostFacts
from nova_feed.feed.known import Proposal
from nova_feed.feed.laws import Shown, Walk, by_the_rules
from nova_feed.feed.nearby import NearbyLists
from nova_feed.feed.rules import PageRules, Rules
from nova_feed.feed.service import FeedService, Page
from nova_feed.feed.sources import Sources
from nova_feed.feed.timeline import Timeline
from nova_feed.ranking import Candidates, Saturation, Source, ViewerRules
from nova_feed.runtime import Live, Runtime
from tests.caches import BuildsInMemory, ListsInMemory, SeenInMemory
from tests.unit.test_clock import VirtualClock

VIEWER, AUTHORS = 7, range(101, 109)
RULE = Saturation()
Ints = np.ndarray[tuple[int], np.dtype[np.int64]]


def array(ids: Sequence[int] | set[int]) -> Ints:
    return np.array(sorted(ids), dtype=np.int64)


@dataclass
class Truth:
    """The app's tables, as far as one viewer goes. Post n was made n seconds after the others before it."""

    posts: dict[int, int] = field(default_factory=dict)
    follows: set[int] = field(default_factory=set)
    unfollowed: set[int] = field(default_factory=set)
    blocked: set[int] = field(default_factory=set)
    muted: set[int] = field(default_factory=set)
    hidden: set[int] = field(default_factory=set)
    made: int = 0

    def post(self, author: int) -> None:
        self.made += 1
        self.posts[self.made] = author

    def forbids(self, post: int, author: int, *, was_followed: bool) -> bool:
        """The rules in their own words."""
        if post not in self.posts or post in self.hidden:
            return True
        return author in self.blocked or author in self.muted or (was_followed and author not in self.follows)

    def proposal(self, source: Source) -> Proposal:
        """Everything there is, whoever wrote it; posts of followees marked as theirs."""
        posts = sorted(self.posts)
        authors = [self.posts[post] for post in posts]
        followee = source if source == Source.TIMELINE else Source.FOLLOWEE
        candidates = Candidates.make(
            post_id=np.array(posts, dtype=np.int64),
            author_id=np.array(authors, dtype=np.int64),
            created_ms=np.array(posts, dtype=np.int64) * 1000,
            # what an author wrote first is too old for followees' posts: some other source proposes it
            sources=np.array(
                [followee if a in self.follows and p > 20 else source for p, a in zip(posts, authors, strict=True)]
            ),
        )
        rules = ViewerRules(
            VIEWER, blocked_authors=array(self.blocked), muted_authors=array(self.muted),
            unfollowed_authors=array(self.unfollowed),
        )  # fmt: skip
        return Proposal(candidates, rules, array(self.follows))


class ClickHouse(Sources):
    """Knows what it last heard of the truth."""

    def __init__(self, truth: Truth) -> None:
        self.known, self.away = copy.deepcopy(truth), False

    async def propose(self, viewers: Sequence[int], builds: Mapping[str, str]) -> Mapping[int, Proposal]:
        if self.away:
            raise StoreUnavailableError("clickhouse", "no answer")
        return {viewer: self.known.proposal(Source.AFFINITY) for viewer in viewers}


class PostgreSQL(Timeline):
    def __init__(self, truth: Truth) -> None:
        self.truth = truth

    async def propose(self, viewer_id: int) -> Proposal:
        return self.truth.proposal(Source.TIMELINE)


class RulesOfTruth(Rules):
    def __init__(self, truth: Truth) -> None:
        self.truth = truth

    async def read(self, viewer_id: int, posts: Sequence[int], authors: Sequence[int]) -> PageRules:
        now = self.truth
        return PageRules(
            frozenset(posts) & now.posts.keys() - now.hidden,
            frozenset(authors) & (now.blocked | now.muted),
            frozenset(authors) & now.follows,
        )

    async def newer(self, viewer_id: int, since_ms: int) -> int | None:
        return None


class NoFacts(PostFacts):
    def __init__(self) -> None: ...


@dataclass
class Reading:
    """A cursor that is being read: what it has shown, and what was rightly left out."""

    frozen: FrozenList
    walk: Walk = field(default_factory=lambda: Walk(RULE))
    cursor: str | None = None
    shown: list[int] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)  # cursors handed out before


class World:
    """The real service, over a model of the app."""

    def __init__(self, posts: Sequence[int], followed: set[int]) -> None:
        self.truth, self.clock = Truth(follows=followed), VirtualClock()
        for author in posts:
            self.truth.post(author)
        self.clickhouse, self.signer = ClickHouse(self.truth), CursorSigner("a secret of a test, 32 characters")
        self.seen, self.readings = SeenInMemory(), list[Reading]()
        self.service = FeedService(
            sources=self.clickhouse, builds=BuildsInMemory(), timeline=PostgreSQL(self.truth),
            rules=RulesOfTruth(self.truth), facts=NoFacts(),
            lists=ListsInMemory(), nearby=NearbyLists(None, self.clock, lambda: 600), seen=self.seen,
            signer=self.signer,
            clock=self.clock,
            runtime=Live(Runtime()),
        )  # fmt: skip

    async def open(self, limit: int, algo: str = "ch") -> None:
        page = await self.service.page(VIEWER, algo=algo, limit=limit, cursor=None)
        self.readings.append(Reading(page.frozen))
        self.judge(self.readings[-1], page, 0, limit)

    async def go_on(self, reading: Reading, limit: int) -> None:
        if reading.cursor is not None:
            at = self.signer.decode(reading.cursor, VIEWER).position
            page = await self.service.page(VIEWER, algo="ch", limit=limit, cursor=reading.cursor)
            self.judge(reading, page, at, limit)

    async def again(self, reading: Reading, which: int, limit: int) -> None:
        """A page that was read before, whose app lost it: from the same place on, by the rules of today."""
        if reading.kept:
            cursor = reading.kept[which % len(reading.kept)]
            page = await self.service.page(VIEWER, algo="ch", limit=limit, cursor=cursor)
            stretch, forbidden = self.expected(reading, page, self.signer.decode(cursor, VIEWER).position)
            assert by_the_rules(posts_of(page), stretch, forbidden) == []

    def judge(self, reading: Reading, page: Page, at: int, limit: int) -> None:
        """One page, by all the laws; and it is full, unless the list is at its end."""
        assert page.frozen.list_id == reading.frozen.list_id
        assert page.first_position == len(reading.shown)
        stretch, forbidden = self.expected(reading, page, at)
        assert reading.walk.follow(shown_of(page)) == []
        assert by_the_rules(posts_of(page), stretch, forbidden) == []
        assert len(page.cut.rows) == limit or page.cursor is None
        reading.shown += posts_of(page)
        reading.removed += [post for post in stretch if post in forbidden]
        reading.cursor = page.cursor
        reading.kept += [page.cursor] if page.cursor else []

    def expected(self, reading: Reading, page: Page, at: int) -> tuple[list[int], dict[int, str]]:
        """The page's stretch of the list, and what of it the truth forbids now."""
        frozen = reading.frozen
        end = len(frozen) if page.cursor is None else self.signer.decode(page.cursor, VIEWER).position
        rows = zip(
            frozen.candidates.post_id.tolist(),
            frozen.candidates.author_id.tolist(),
            frozen.followed.tolist(),
            strict=True,
        )
        part = list(rows)[at:end]
        gone = {post: "gone" for post, author, was in part if self.truth.forbids(post, author, was_followed=was)}
        return [post for post, _, _ in part], gone

    async def finish(self) -> None:
        """Every cursor to its end: shown and removed are the list, each post once."""
        for reading in self.readings:
            while reading.cursor is not None:
                await self.go_on(reading, 9)
            listed = reading.frozen.candidates.post_id.tolist()
            assert sorted([*reading.shown, *reading.removed]) == sorted(listed)
        while tasks := set(self.service._refreshing.values()):
            await asyncio.wait(tasks)


def posts_of(page: Page) -> list[int]:
    return [int(page.frozen.candidates.post_id[row]) for row in page.cut.rows]


def shown_of(page: Page) -> list[Shown]:
    rows = zip(page.cut.rows, page.cut.relaxed, strict=True)
    return [
        Shown(int(page.frozen.candidates.post_id[row]), int(page.frozen.candidates.author_id[row]), position, relaxed)
        for position, (row, relaxed) in enumerate(rows, page.first_position)
    ]


Deed = tuple[str, int, int]
AUTHOR, ANY, LIMIT = st.sampled_from(AUTHORS), st.integers(0, 99), st.integers(1, 25)
NOTHING = st.just(0)
DEEDS: st.SearchStrategy[Deed] = st.one_of(
    st.tuples(st.sampled_from(["post", "block", "mute", "unfollow", "follow"]), AUTHOR, NOTHING),
    st.tuples(st.sampled_from(["delete", "hide", "see"]), ANY, NOTHING),
    st.tuples(st.sampled_from(["capture", "away", "back", "rank", "pause"]), NOTHING, NOTHING),
    st.tuples(st.sampled_from(["open", "timeline"]), LIMIT, NOTHING),
    st.tuples(st.sampled_from(["go on", "go on", "again"]), ANY, LIMIT),
)


async def do(world: World, deed: Deed) -> None:
    what, who, limit = deed
    truth = world.truth
    match what:
        case "post":
            truth.post(who)
        case "block" | "mute":
            (truth.blocked if what == "block" else truth.muted).add(who)
        case "unfollow" if who in truth.follows:
            truth.follows.remove(who)
            truth.unfollowed.add(who)
        case "follow":
            truth.follows.add(who)
            truth.unfollowed.discard(who)
        case "delete" | "hide" | "see" if truth.posts:
            post = sorted(truth.posts)[who % len(truth.posts)]
            if what == "delete":
                del truth.posts[post]
            elif what == "hide":
                truth.hidden.add(post)
            else:
                await world.seen.mark([(VIEWER, post)], 0)
        case _:
            await read(world, what, who, limit)


async def read(world: World, what: str, who: int, limit: int) -> None:
    match what:
        case "capture":
            world.clickhouse.known = copy.deepcopy(world.truth)
        case "away" | "back":
            world.clickhouse.away = what == "away"
        case "rank":
            await world.service.rank(VIEWER)
        case "pause":
            world.clock.pass_s(31)
        case "open" | "timeline":
            await world.open(who, "timeline" if what == "timeline" else "ch")
        case "go on" | "again" if world.readings:
            reading = world.readings[who % len(world.readings)]
            await (world.go_on(reading, limit) if what == "go on" else world.again(reading, who, limit))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(AUTHOR, min_size=5, max_size=90),
    st.sets(AUTHOR, min_size=2),
    st.lists(DEEDS, min_size=20, max_size=80),
)
def test_the_pages_of_a_cursor_are_its_list_without_the_removals_whatever_happens_meanwhile(
    posts: list[int], followed: set[int], storm: list[Deed]
) -> None:
    async def rage() -> None:
        world = World(posts, followed)
        await world.open(7)
        for deed in storm:
            await do(world, deed)
        await world.finish()

    asyncio.run(rage())
