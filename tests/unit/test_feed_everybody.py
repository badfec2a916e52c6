"""Everybody's pairs in the process: the same answers as of viewers asked for by name, asked for when that is the
cheaper way, and kept as long as they hold."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count, islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.known import (
    BLOCKED,
    CLOSE,
    FOLLOWS,
    LATE_S,
    MUTED,
    NEEDED,
    TRUSTED_S,
    UNFOLLOWED,
    UNSETTLED_S,
    Everybody,
    Known,
    KnownViewers,
    Pairs,
    by_viewer,
)
from nova_feed.feed.sources import AFFINITY, FIRST_GUESS_S, MOST_PAIRS, Sources
from nova_feed.store.client import Store
from nova_feed.store.native import Columns
from tests.unit.test_clock import VirtualClock
from tests.unit.test_feed_sources import turns
from tests.unit.test_ranking_candidates import law

BUILT, NEWER = "build 1", "build 2"
QUERIES = ("everybodys_follows", "everybodys_walls", "everybodys_interactions")
MOMENT_S = 0.125  # what one asked for by name costs; a sum of them is exact
DEAR = int(FIRST_GUESS_S / MOMENT_S) + 1  # so many cost more than everybody, by the first guess
Pair = tuple[int, int]
Told = tuple[int, list[int], list[int], list[int], list[int]]


def table(value: str, rows: Sequence[tuple[int, int, int]]) -> Columns:
    """An answer of ClickHouse; one without rows names no columns."""
    if not rows:
        return Columns()
    kinds = {"viewer_id": np.int64, "author_id": np.int64, value: np.uint8 if value == "relation" else np.int64}
    return Columns((name, np.array([row[i] for row in rows], kind)) for i, (name, kind) in enumerate(kinds.items()))


@dataclass(frozen=True, slots=True)
class Facts:
    """Who stands how to whom, and what ClickHouse answers then."""

    follows: Mapping[Pair, bool] = field(default_factory=dict)  # False: has unfollowed
    blocks: Collection[Pair] = ()
    mutes: Collection[Pair] = ()
    interactions: Mapping[Pair, int] = field(default_factory=dict)

    def pairs(self, viewers: Collection[int]) -> Columns:
        """Of viewers asked for by name, in no order that helps."""
        all_pairs = {*self.follows, *self.interactions, *self._walled()}
        rows = [
            (*pair, self.interactions.get(pair, 0), self._follow(pair) | self._wall(pair))
            for pair in sorted(all_pairs, reverse=True) if pair[0] in viewers
        ]  # fmt: skip
        relation = table("relation", [(viewer, author, relation) for viewer, author, _, relation in rows])
        return Columns(table("interactions", [row[:3] for row in rows]) | relation)

    def everybodys(self, query: str) -> Columns:
        """Of everybody, in order."""
        if query == "everybodys_follows":
            return table("relation", [(*pair, self._follow(pair)) for pair in sorted(self.follows)])
        if query == "everybodys_walls":
            return table("relation", [(*pair, self._wall(pair)) for pair in sorted(self._walled())])
        assert query == "everybodys_interactions"
        return table("interactions", [(*pair, often) for pair, often in sorted(self.interactions.items())])

    def everybody(self) -> Everybody:
        follows, walls, interactions = map(self.everybodys, QUERIES)
        return Everybody(
            Pairs.of(follows, "relation"), Pairs.of(walls, "relation"), Pairs.of(interactions, "interactions")
        )

    def _follow(self, pair: Pair) -> int:
        return {None: 0, True: FOLLOWS, False: UNFOLLOWED}[self.follows.get(pair)]

    def _walled(self) -> set[Pair]:
        return {*self.blocks, *((blocked, blocker) for blocker, blocked in self.blocks), *self.mutes}

    def _wall(self, pair: Pair) -> int:
        blocked = pair in self.blocks or pair[::-1] in self.blocks
        return BLOCKED * blocked | MUTED * (pair in self.mutes)


def told(known: Known) -> Told:
    """All that is known of a viewer."""
    assert known.relation.dtype == np.uint8
    columns = (known.authors, known.interactions, known.relation, known.close)
    authors, interactions, relation, close = (column.tolist() for column in columns)
    return known.viewer, authors, interactions, relation, close


def by_name(facts: Facts, viewers: Sequence[int]) -> list[Told]:
    """What is known of each of the viewers when they are asked for by name."""
    pairs = facts.pairs(viewers)
    return [told(Known.of(viewer, pairs, rows)) for viewer, rows in by_viewer(pairs, viewers).items()]


ids = st.integers(1, 7)
some_pairs = st.tuples(ids, ids)
some_facts = st.builds(
    Facts, follows=st.dictionaries(some_pairs, st.booleans()), blocks=st.sets(some_pairs), mutes=st.sets(some_pairs),
    interactions=st.dictionaries(some_pairs, st.integers(1, 3)),
)  # fmt: skip


@law
@given(st.dictionaries(st.tuples(st.integers(-9, 9), ids), st.integers(0, 15)))
def test_pairs_are_read_as_a_dictionary_of_viewers_is(values: dict[Pair, int]) -> None:
    pairs = Pairs.of(table("relation", [(*pair, values[pair]) for pair in sorted(values)]), "relation")
    for viewer in range(-11, 12):
        authors, found = pairs.to(viewer)
        expected = {author: value for (of, author), value in values.items() if of == viewer}
        assert list(zip(authors.tolist(), found.tolist(), strict=True)) == sorted(expected.items())


@law
@given(some_facts)
def test_of_everybody_the_same_is_known_as_of_each_asked_for_by_name(facts: Facts) -> None:
    viewers = range(9)  # the first and the last are nobody
    everybody = facts.everybody()
    assert [told(everybody.known(viewer)) for viewer in viewers] == by_name(facts, viewers)


def test_of_everybody_the_same_are_close_where_there_are_more_than_may_be() -> None:
    facts = Facts({(1, author): True for author in range(1, 200, 3)}, (), (), {(1, a): a % 9 for a in range(1, 101)})
    known = facts.everybody().known(1)
    assert len(known.close) == CLOSE
    assert [told(known)] == by_name(facts, [1])


def test_whom_nothing_is_known_of_is_cold() -> None:
    known = Facts().everybody().known(1)
    assert told(known) == (1, [], [], [], [])
    assert known.followees.dtype == known.authors.dtype == np.int64


class Keeper:
    """KnownViewers that keep everybody: each follows the one of the id that is higher by ``further``."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.viewers = KnownViewers(self.clock)

    def keep(self, *, built: str = BUILT, asked: float | None = None, further: int = 1000) -> None:
        facts = Facts({(viewer, viewer + further): True for viewer in range(1, NEEDED + 1)})
        self.viewers.keep_everybody(facts.everybody(), built, self.clock.monotonic() if asked is None else asked)

    def keep_one(self, viewer: int, built: str = BUILT) -> None:
        self.viewers.keep([Facts({(viewer, 7): True}).everybody().known(viewer)], built, self.clock.monotonic())

    def found(self, *viewers: int, built: str | None = BUILT) -> dict[int, list[int]]:
        return {viewer: known.followees.tolist() for viewer, known in self.viewers.of(viewers, built).items()}

    def answer(self, times: int, built: str | None = BUILT) -> None:
        assert len(self.viewers.of(range(1, times + 1), built)) == times


@pytest.fixture
def keeper() -> Keeper:
    """Keeps everybody, as asked this moment."""
    keeper = Keeper()
    keeper.keep()
    return keeper


def test_whoever_is_asked_for_is_found_also_whom_clickhouse_does_not_know(keeper: Keeper) -> None:
    assert keeper.found(3, 999_999, 1) == {3: [1003], 999_999: [], 1: [1001]}


def test_what_was_kept_of_single_viewers_is_dropped_for_everybody() -> None:
    keeper = Keeper()
    keeper.keep_one(1)
    assert keeper.found(1, 2) == {1: [7]}
    keeper.keep()
    assert len(keeper.viewers) == 0
    assert keeper.found(1, 2) == {1: [1001], 2: [1002]}


def test_where_nobody_knows_which_build_is_the_newest_nothing_is_found_and_nothing_lost(keeper: Keeper) -> None:
    assert keeper.found(1, built=None) == {}
    keeper.clock.pass_s(2 * LATE_S)
    assert keeper.found(1, built=None) == {}
    assert keeper.found(1) == {1: [1001]}


def test_of_an_older_build_everybody_is_found_a_little_longer_where_many_came(keeper: Keeper) -> None:
    keeper.answer(NEEDED)
    keeper.clock.pass_s(30)
    for _ in range(2):  # first seen now, and LATE_S later
        assert keeper.found(1, built=NEWER) == {1: [1001]}
        keeper.clock.pass_s(LATE_S)
    assert keeper.found(1, built=NEWER) == {}
    assert keeper.found(1) == {}  # nothing comes back
    keeper.keep()
    keeper.answer(NEEDED - 1)  # too few to go on for
    assert keeper.found(1, built=NEWER) == {}


def test_nobody_is_kept_for_ever(keeper: Keeper) -> None:
    keeper.clock.pass_s(TRUSTED_S)
    assert keeper.found(1) == {1: [1001]}
    keeper.clock.pass_s(MOMENT_S)
    assert keeper.found(1) == {}


def test_of_an_older_build_nobody_is_found_for_longer_than_is_trusted(keeper: Keeper) -> None:
    keeper.answer(NEEDED)
    keeper.clock.pass_s(TRUSTED_S)
    assert keeper.found(1, built=NEWER) == {1: [1001]}
    keeper.clock.pass_s(MOMENT_S)
    assert keeper.found(1, built=NEWER) == {}


@pytest.mark.parametrize(
    ("before_s", "found"),
    [(UNSETTLED_S + MOMENT_S, True), (UNSETTLED_S, False), (MOMENT_S, False), (0, False), (-1, False), (-60, False)],
)
def test_whoever_was_touched_lately_when_everybody_was_asked_for_or_later_is_asked_for_by_name(
    before_s: float, *, found: bool
) -> None:
    keeper = Keeper()
    keeper.clock.pass_s(100)
    asked = keeper.clock.monotonic()
    keeper.clock.pass_s(-before_s)
    keeper.viewers.touched(1)
    keeper.clock.pass_s(before_s + 61)
    keeper.keep(asked=asked)
    assert keeper.found(1, 2) == ({1: [1001], 2: [1002]} if found else {2: [1002]})


def test_a_touch_counts_also_where_everybody_is_kept_already(keeper: Keeper) -> None:
    assert keeper.found(1, 2) == {1: [1001], 2: [1002]}
    keeper.viewers.touched(1)
    for _ in range(3):
        assert keeper.found(1, 2) == {2: [1002]}
        keeper.clock.pass_s(UNSETTLED_S)


def test_whoever_was_touched_is_kept_beside_everybody_once_asked_for_by_name(keeper: Keeper) -> None:
    keeper.viewers.touched(1)
    keeper.clock.pass_s(UNSETTLED_S + MOMENT_S)
    keeper.keep_one(1)
    assert keeper.found(1, 2) == {1: [7], 2: [1002]}
    keeper.viewers.touched(1)
    assert keeper.found(1, 2) == {2: [1002]}


def test_when_everybody_is_asked_for_again_the_new_answer_is_found(keeper: Keeper) -> None:
    keeper.viewers.touched(1)
    keeper.clock.pass_s(UNSETTLED_S + MOMENT_S)
    keeper.keep(further=2000)
    assert keeper.found(1, 2) == {1: [2001], 2: [2002]}


def test_forgetting_is_of_everybody_and_an_answer_to_a_question_of_before_is_not_kept(keeper: Keeper) -> None:
    before = keeper.clock.monotonic()
    keeper.clock.pass_s(1)
    keeper.viewers.forget()
    assert keeper.found(1) == {}
    for asked in (before, keeper.clock.monotonic()):
        keeper.keep(asked=asked)
        assert keeper.found(1) == {}
    keeper.clock.pass_s(MOMENT_S)
    keeper.keep()
    assert keeper.found(1) == {1: [1001]}


def test_an_answer_of_before_does_not_take_away_what_was_asked_for_since(keeper: Keeper) -> None:
    before = keeper.clock.monotonic()
    keeper.viewers.forget()
    keeper.clock.pass_s(MOMENT_S)
    keeper.keep(further=2000)
    keeper.keep(asked=before)
    assert keeper.found(1) == {1: [2001]}


def test_everybody_is_not_worn_while_new_however_often_it_answers(keeper: Keeper) -> None:
    keeper.clock.pass_s(TRUSTED_S / 2)
    for _ in range(3):
        keeper.answer(NEEDED)
    assert not keeper.viewers.worn()


def test_everybody_is_worn_when_old_and_needed(keeper: Keeper) -> None:
    keeper.answer(NEEDED - 2)
    keeper.clock.pass_s(TRUSTED_S / 2 + MOMENT_S)
    keeper.answer(1)
    assert not keeper.viewers.worn()
    keeper.answer(1)
    assert keeper.viewers.worn()
    keeper.keep(built=NEWER)
    keeper.answer(NEEDED, NEWER)
    assert not keeper.viewers.worn()
    keeper.answer(1)  # of another build than the one asked about
    assert keeper.viewers.worn()


def test_what_single_viewers_are_answered_from_is_no_need_of_everybody(keeper: Keeper) -> None:
    keeper.viewers.touched(1)
    keeper.clock.pass_s(UNSETTLED_S + MOMENT_S)
    keeper.keep_one(1)
    for _ in range(NEEDED):
        assert keeper.found(1) == {1: [7]}
    keeper.clock.pass_s(TRUSTED_S / 2)
    keeper.found(1)
    assert not keeper.viewers.worn()


def test_nothing_is_worn_where_there_is_nothing(keeper: Keeper) -> None:
    keeper.answer(NEEDED)
    keeper.answer(1, NEWER)
    assert keeper.viewers.worn()
    keeper.viewers.forget()
    assert not keeper.viewers.worn()


class Asked(Store):
    """Answers from facts, and takes its time; remembers what it was asked."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__("http://127.0.0.1:1")
        self._clock = clock
        self.facts = follow(1000)
        self.costs_s = {"pairs": MOMENT_S}
        self.size = 1
        self.fails = ""  # the query that it does not answer
        self.open = asyncio.Event()  # closed, it is silent about everybody
        self.open.set()
        self.asked = Counter[str]()
        self.named: list[int] = []

    async def select(self, query: str, **parameters: Any) -> Columns:
        self.asked[query] += 1
        self._clock.pass_s(self.costs_s.get(query, 0.0))
        if query == self.fails:
            raise StoreUnavailableError("clickhouse", "no answer")
        if query == "pairs":
            self.named += parameters["viewers"]
            return self.facts.pairs(parameters["viewers"])
        if query == "table_sizes":
            sizes = {"hot_posts": 0, "author_posts": 0, "pairs": self.size}
            return Columns((name, np.array([size])) for name, size in sizes.items())
        if query in QUERIES:
            await self.open.wait()
            return self.facts.everybodys(query)
        return Columns()

    async def whole(self, query: str) -> Columns:
        return await self.select(query)


def follow(further: int) -> Facts:
    """Each follows the one of the id that is higher by ``further``."""
    return Facts({(viewer, viewer + further): True for viewer in range(1, 500)})


class World:
    """Sources whose clock goes on while they ask."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.store = Asked(self.clock)
        self.kept = KnownViewers(self.clock)
        self.sources = Sources(self.store, self.clock, self.kept)
        self._new = count(1)

    @property
    def reads(self) -> int:
        """How often everybody was asked for, and all of it answered."""
        return self.store.asked[QUERIES[-1]]

    async def ask(self, *viewers: int, built: str | None = BUILT) -> dict[int, list[int]]:
        """Whom each of the viewers follows, as their proposals say."""
        found = await self.sources.propose(viewers, {} if built is None else {AFFINITY: built})
        await turns()
        return {viewer: one.followees.tolist() for viewer, one in found.items()}

    async def named(self, *viewers: int, built: str | None = BUILT) -> list[int]:
        """Those of the viewers for whom ClickHouse is asked by name."""
        before = len(self.store.named)
        assert await self.ask(*viewers, built=built) == {viewer: [viewer + 1000] for viewer in viewers}
        return self.store.named[before:]

    async def strangers(self, how_many: int, built: str | None = BUILT) -> int:
        """New viewers come one after the other; how many of them ClickHouse is asked for by name."""
        return sum([len(await self.named(viewer, built=built)) for viewer in islice(self._new, how_many)])

    async def dear(self, built: str = BUILT) -> None:
        """So many strangers come that all pairs are the cheaper way, by the first guess."""
        assert await self.strangers(DEAR, built) == DEAR


@pytest.fixture
async def world() -> World:
    """Nothing is known yet."""
    return World()


@pytest.fixture
async def whole(world: World) -> World:
    """Everybody is known."""
    await world.dear()
    assert world.reads == 1
    return world


async def test_everybody_is_what_three_answers_say(world: World) -> None:
    facts = world.store.facts = Facts({(1, 2): False, (2, 3): True}, {(1, 3)}, {(2, 3)}, {(1, 4): 5})
    everybody = await Everybody.read(world.store)
    assert [told(everybody.known(viewer)) for viewer in range(5)] == by_name(facts, range(5))
    assert world.store.asked == dict.fromkeys(QUERIES, 1)


async def test_once_single_viewers_cost_as_much_everybody_is_read_and_nobody_asked_for_by_name(world: World) -> None:
    assert await world.strangers(DEAR - 1) == DEAR - 1
    assert world.reads == 0
    assert await world.strangers(1) == 1
    assert world.reads == 1
    assert len(world.kept) == 0
    assert await world.strangers(3 * NEEDED) == 0
    assert await world.named(1, 400, 401) == []
    assert world.reads == world.store.asked["table_sizes"] == 1


async def test_what_single_viewers_cost_is_counted_for_each_build_anew(world: World) -> None:
    for built in (BUILT, NEWER, "build 3"):
        assert await world.strangers(DEAR - 1, built) == DEAR - 1
    assert world.reads == 0
    await world.strangers(1, "build 3")
    assert world.reads == 1


async def test_what_everybody_cost_is_what_single_viewers_may_cost_the_next_time(world: World) -> None:
    world.store.costs_s |= dict.fromkeys((*QUERIES, "table_sizes"), 4 * MOMENT_S)
    await world.dear()
    assert await world.strangers(15, NEWER) == 15
    assert world.reads == 1
    assert await world.strangers(3, NEWER) == 1
    assert world.reads == 2


async def test_whoever_comes_does_not_wait_for_everybody_and_it_is_asked_for_once_at_a_time(world: World) -> None:
    world.store.open.clear()
    await world.dear()
    assert await world.strangers(5) == 5
    assert await world.strangers(DEAR, NEWER) == DEAR
    assert world.store.asked["everybodys_follows"] == 1
    world.store.open.set()
    await turns()
    assert await world.strangers(5) == 0
    assert world.reads == 1


async def test_everybody_is_not_read_where_nobody_tells_of_changes() -> None:
    world = World()
    world.sources = Sources(world.store, world.clock)
    assert await world.strangers(3 * DEAR) == 3 * DEAR
    assert not {"table_sizes", *QUERIES} & {*world.store.asked}


async def test_everybody_is_not_read_where_nobody_knows_which_build_is_the_newest(world: World) -> None:
    assert await world.strangers(3 * DEAR, built=None) == 3 * DEAR
    assert not {"table_sizes", *QUERIES} & {*world.store.asked}


async def test_while_nobody_knows_the_newest_build_everybody_is_asked_for_by_name_and_kept(whole: World) -> None:
    assert await whole.strangers(2, built=None) == 2
    assert await whole.strangers(2) == 0


async def test_more_pairs_than_fit_are_never_read_and_counted_once_for_a_build(world: World) -> None:
    world.store.size = MOST_PAIRS + 1
    for i, built in enumerate((BUILT, NEWER), 1):
        assert await world.strangers(4 * DEAR, built) == 4 * DEAR
        assert world.store.asked["table_sizes"] == i
    assert not {*QUERIES} & {*world.store.asked}
    world.store.size = MOST_PAIRS
    await world.dear("build 3")
    assert await world.strangers(1, "build 3") == 0


@pytest.mark.parametrize("query", ["table_sizes", *QUERIES])
async def test_where_everybody_cannot_be_read_viewers_are_asked_for_by_name_and_it_is_tried_again_later(
    world: World, query: str
) -> None:
    world.store.fails = query
    await world.dear()
    tried = world.clock.monotonic()
    assert await world.strangers(DEAR) == DEAR
    world.clock.pass_s(tried + TRUSTED_S / 2 - MOMENT_S - world.clock.monotonic())
    assert await world.strangers(1) == 1
    assert world.store.asked["table_sizes"] == 1
    world.store.fails = ""
    assert await world.strangers(1) == 1
    assert world.store.asked["table_sizes"] == 2
    assert await world.strangers(5) == 0


async def test_where_everybody_could_not_be_read_it_is_tried_again_for_the_next_build(world: World) -> None:
    world.store.fails = QUERIES[1]
    await world.dear()
    world.store.fails = ""
    await world.dear(NEWER)
    assert await world.strangers(5, NEWER) == 0
    assert world.reads == 1


@pytest.mark.parametrize(("later_s", "built"), [(1, NEWER), (TRUSTED_S / 2 + 1, BUILT)])
async def test_everybody_is_read_again_behind_who_asks_when_it_is_old_and_needed(
    whole: World, later_s: float, built: str
) -> None:
    assert await whole.strangers(NEEDED) == 0
    whole.clock.pass_s(later_s)
    whole.store.facts = follow(2000)
    assert await whole.ask(1, built=built) == {1: [1001]}
    assert whole.reads == 2
    assert await whole.ask(*range(1, 2 * NEEDED), built=built) == {i: [i + 2000] for i in range(1, 2 * NEEDED)}
    assert (whole.reads, whole.store.asked["pairs"]) == (2, DEAR)


async def test_everybody_is_not_read_again_where_few_come(world: World) -> None:
    world.store.costs_s[QUERIES[0]] = FIRST_GUESS_S
    await world.dear()
    assert await world.strangers(NEEDED - 1) == 0
    assert await world.strangers(2, NEWER) == 2
    assert world.reads == 1


async def test_while_everybody_is_read_again_the_old_answers_and_not_for_long(whole: World) -> None:
    await whole.strangers(NEEDED)
    whole.store.open.clear()
    assert await whole.strangers(NEEDED, NEWER) == 0
    whole.clock.pass_s(LATE_S)
    assert await whole.strangers(1, NEWER) == 0
    whole.clock.pass_s(MOMENT_S)
    assert await whole.strangers(2, NEWER) == 2
    whole.store.open.set()
    await turns()
    assert await whole.strangers(2, NEWER) == 0
    assert whole.store.asked["everybodys_follows"] == 2


async def test_the_old_answers_on_where_everybody_cannot_be_read_again(whole: World) -> None:
    await whole.strangers(NEEDED)
    whole.store.fails = QUERIES[0]
    assert await whole.strangers(NEEDED, NEWER) == 0
    assert whole.store.asked["table_sizes"] == 2
    whole.clock.pass_s(LATE_S + MOMENT_S)
    assert await whole.strangers(1, NEWER) == 1


async def test_what_is_read_while_all_is_forgotten_is_not_kept(world: World) -> None:
    world.store.open.clear()
    await world.dear()
    world.clock.pass_s(MOMENT_S)
    world.kept.forget()
    world.clock.pass_s(MOMENT_S)
    world.store.open.set()
    await turns()
    assert world.reads == 1
    assert await world.strangers(2) == 2
    assert await world.strangers(3, NEWER) == 2  # as dear as everybody, which took two moments
    assert world.reads == 2


async def test_who_is_touched_is_asked_for_by_name_until_clickhouse_must_have_it_and_kept_then(whole: World) -> None:
    whole.kept.touched(300)
    for _ in range(2):
        assert await whole.named(299, 300, 301) == [300]
    whole.clock.pass_s(UNSETTLED_S)
    assert await whole.named(299, 300, 301) == [300]
    assert await whole.named(299, 300, 301) == []


async def test_who_is_touched_shortly_before_everybody_is_read_is_not_answered_from_it(world: World) -> None:
    world.store.costs_s[QUERIES[0]] = 5
    world.kept.touched(300)
    world.clock.pass_s(UNSETTLED_S - DEAR * MOMENT_S)
    await world.dear()
    assert world.reads == 1
    assert await world.named(299, 300, 301) == [300]
