"""Posts by author: the right ones, of the newest build, asked for in the cheaper of two ways."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.feed.posts import FIRST_GUESS_S, LONGEST_S, UNKNOWN_S, Posts, PostTable
from nova_feed.ranking import Source
from nova_feed.store.native import Columns
from tests.unit.test_clock import VirtualClock
from tests.unit.test_ranking_candidates import law

Row = tuple[int, int, int]  # post, author, when it was made
some_rows = st.lists(
    st.tuples(st.integers(1, 10_000), st.integers(1, 12), st.integers(0, 20)), max_size=80, unique_by=lambda row: row[0]
)
authors_asked = st.lists(st.integers(1, 15), max_size=15, unique=True)


def columns(rows: list[Row]) -> Columns:
    names = ("post_id", "author_id", "created_ms")
    found = {name: np.array([row[i] for row in rows], dtype=np.int64) for i, name in enumerate(names)}
    return Columns(found | dict.fromkeys(("likes", "comments", "shares", "exposures"), found["post_id"]))


def of(posts: Posts, rows: Any) -> list[int]:
    return [int(post) for post in posts.candidates.post_id[rows]]


@law
@given(some_rows, authors_asked, st.integers(1, 30))
def test_the_newest_posts_of_some_authors(rows: list[Row], authors: list[int], most: int) -> None:
    posts = Posts.of(columns(rows), Source.FOLLOWEE)
    theirs = sorted((row for row in rows if row[1] in authors), key=lambda row: (-row[2], -row[0]))
    found = of(posts, posts.newest(np.array(sorted(authors), dtype=np.int64), most))
    assert sorted(found) == sorted(row[0] for row in theirs[:most])


@law
@given(some_rows, st.dictionaries(st.integers(1, 15), st.integers(1, 4)), st.integers(1, 30))
def test_the_posts_of_the_closest_authors(rows: list[Row], close: dict[int, int], most: int) -> None:
    posts = Posts.of(columns(rows), Source.AFFINITY)
    theirs = sorted((row for row in rows if row[1] in close), key=lambda row: (-close[row[1]], -row[2], -row[0]))
    authors = np.array(list(close), dtype=np.int64)
    found = of(posts, posts.closest(authors, np.array(list(close.values()), dtype=np.int64), most))
    assert sorted(found) == sorted(row[0] for row in theirs[:most])


@law
@given(some_rows, st.data(), st.integers(1, 30))
def test_what_trends_is_what_is_engaged_with_most(rows: list[Row], data: st.DataObject, most: int) -> None:
    trend = {row[0]: data.draw(st.integers(0, 4)) for row in rows}
    told = columns(rows) | {"trend": np.array([trend[row[0]] for row in rows], dtype=np.int64)}
    found = Posts.of(Columns(told), Source.FOLLOWEE, whole=True).trending(most)
    theirs = sorted((row for row in rows if trend[row[0]]), key=lambda row: (-trend[row[0]], -row[2], -row[0]))
    assert found.post_id.tolist() == [row[0] for row in theirs[:most]]
    assert set(found.sources.tolist()) <= {Source.TRENDING}


class ClickHouse:
    """Answers from ``rows``; to ask takes ``some_s``, for everybody ``all_s``."""

    def __init__(self, clock: VirtualClock) -> None:
        self.rows: list[Row] = [(post, post % 10 + 1, post) for post in range(1, 51)]
        self.asked: list[int] = []  # for how many authors
        self.some_s, self.all_s, self._clock = 0.6 * FIRST_GUESS_S, FIRST_GUESS_S, clock

    async def ask(self, authors: Sequence[int]) -> Columns:
        self.asked.append(len(authors))
        self._clock.pass_s(self.some_s if authors else self.all_s)
        return columns([row for row in self.rows if not authors or row[1] in authors])

    async def size(self) -> int:
        return len(self.rows)


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def store(clock: VirtualClock) -> ClickHouse:
    return ClickHouse(clock)


def table(store: ClickHouse, clock: VirtualClock, most: int = 1000) -> PostTable:
    return PostTable(store.ask, store.size, Source.FOLLOWEE, clock, most=most)


THREE = np.array([1, 2, 3])


async def test_the_posts_of_some_are_asked_for_until_that_took_as_long_as_all_of_them_would(
    store: ClickHouse, clock: VirtualClock
) -> None:
    hot = table(store, clock)
    for _ in range(6):
        posts = await hot.of(THREE, "a")
        assert sorted(of(posts, posts.newest(THREE, 99))) == sorted(row[0] for row in store.rows if row[1] <= 3)
    assert store.asked == [3, 3, 0]


async def test_how_long_all_of_them_take_is_learnt(store: ClickHouse, clock: VirtualClock) -> None:
    hot = table(store, clock)
    store.all_s = 4.5 * store.some_s
    for build in ("a", "b"):
        for _ in range(9):
            await hot.of(THREE, build)
    assert store.asked == [3, 3, 0, 0]  # worth it the last time: it is asked for at once


async def test_all_of_them_are_asked_for_at_once_where_that_was_worth_its_price_the_last_time_alone(
    store: ClickHouse, clock: VirtualClock
) -> None:
    hot = table(store, clock)
    for build, times in (("a", 4), ("b", 1), ("c", 3), ("d", 1)):
        for _ in range(times):
            posts = await hot.of(THREE, build)
            assert posts.whole is (store.asked[-1] == 0)
    # Of the first it answered twice, at 0.6 of the price of all each; of the second once.
    assert store.asked == [3, 3, 0, 0, 3, 3, 0, 3]


async def test_no_older_build_than_the_newest_is_used(store: ClickHouse, clock: VirtualClock) -> None:
    hot = table(store, clock)
    for build in ("a", "a", "a", "b"):
        store.rows.append((1000 + len(store.asked), 1, 99))
        posts = await hot.of(THREE, build)
        assert max(of(posts, posts.newest(THREE, 99))) == store.rows[-1][0]
    assert store.asked == [3, 3, 0, 3]


@pytest.mark.parametrize(("build", "good_s"), [(None, UNKNOWN_S), ("a", LONGEST_S)])
async def test_a_copy_is_good_for_a_while_and_only_shortly_when_nobody_tells_of_builds(
    store: ClickHouse, clock: VirtualClock, build: str | None, good_s: float
) -> None:
    hot = table(store, clock)
    for _ in range(4):
        await hot.of(THREE, build)
    clock.pass_s(good_s - 0.1)
    await hot.of(THREE, build)
    assert store.asked == [3, 3, 0]
    clock.pass_s(0.1)
    await hot.of(THREE, build)
    assert store.asked == [3, 3, 0, 0]


async def test_a_table_that_is_too_large_is_asked_for_what_is_needed_only(
    store: ClickHouse, clock: VirtualClock
) -> None:
    hot = table(store, clock, most=len(store.rows) - 1)
    for _ in range(5):
        await hot.of(THREE, "a")
    assert store.asked == [3] * 5


async def test_nobody_is_not_everybody(store: ClickHouse, clock: VirtualClock) -> None:
    nobody = np.empty(0, dtype=np.int64)
    posts = await table(store, clock).of(nobody, "a")
    assert (len(posts.candidates), store.asked) == (0, [])


async def test_very_many_authors_are_asked_for_in_parts(store: ClickHouse, clock: VirtualClock) -> None:
    posts = await table(store, clock).of(np.arange(1, 45_001), "a")
    assert store.asked == [20_000, 20_000, 5_000]
    assert len(posts.candidates) == len(store.rows)
