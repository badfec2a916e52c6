"""The pure half of the sources: rows of many viewers taken apart, and joined with the posts of whom they know."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.known import (
    BLOCKED,
    CLOSE,
    FOLLOWS,
    MUTED,
    UNFOLLOWED,
    Known,
    Proposal,
    _look_up,
    by_viewer,
)
from nova_feed.feed.posts import Posts, counted
from nova_feed.feed.sources import Shared
from nova_feed.ranking import Candidates, Source
from nova_feed.store.native import Columns
from tests.unit.test_clock import VirtualClock
from tests.unit.test_ranking_candidates import law

COUNTED = ("post_id", "author_id", "created_ms", "likes", "comments", "shares", "exposures")
NOTHING = Candidates.empty()
VIEWER = 7


def column(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


def rows(*posts: tuple[int, int]) -> Columns:
    """Rows of (post, author); every number of a post is its id."""
    columns = {name: column([post for post, _ in posts]) for name in COUNTED}
    return Columns(columns | {"author_id": column([author for _, author in posts])})


def everybodys(*posts: tuple[int, int], source: Source) -> Candidates:
    return counted(rows(*posts), source)


def known(*pairs: tuple[int, int, int]) -> Known:
    """Of (author, interactions, relation)."""
    names = ("author_id", "interactions", "relation")
    columns = Columns({name: column([pair[i] for pair in pairs]) for i, name in enumerate(names)})
    return Known.of(VIEWER, columns, np.arange(len(pairs)))


def proposal(
    *pairs: tuple[int, int, int], hot: Columns | None = None, newest: Columns | None = None,
    trending: Candidates = NOTHING, fresh: Candidates = NOTHING,
) -> Proposal:  # fmt: skip
    return known(*pairs).proposal(
        Posts.of(hot or Columns(), Source.FOLLOWEE), Posts.of(newest or Columns(), Source.AFFINITY), trending, fresh
    )


@law
@given(st.lists(st.integers(1, 9), max_size=60), st.permutations(range(1, 12)))
def test_every_row_goes_to_its_viewer_once_and_in_order(viewers: list[int], asked: list[int]) -> None:
    groups = by_viewer(Columns(viewer_id=column(viewers)), asked)
    assert {viewer: rows.tolist() for viewer, rows in groups.items()} == {
        viewer: [row for row, other in enumerate(viewers) if other == viewer] for viewer in asked
    }


@law
@given(st.dictionaries(st.integers(1, 50), st.integers(0, 9)), st.lists(st.integers(1, 60)))
def test_looking_up_is_reading_a_dictionary_with_zero_for_what_is_not_there(
    known: dict[int, int], wanted: list[int]
) -> None:
    keys = column(sorted(known))
    found = _look_up(column(wanted), keys, column([known[key] for key in sorted(known)]))
    assert found.tolist() == [known.get(key, 0) for key in wanted]


def test_a_proposal_without_any_rows_is_empty_and_forbids_nothing() -> None:
    found = proposal()
    assert (len(found.candidates), found.rules.viewer_id) == (0, VIEWER)
    assert len(found.rules.blocked_authors) == 0


def test_a_proposal_has_the_posts_of_followees_of_close_authors_and_what_trends() -> None:
    found = proposal(
        (10, 0, FOLLOWS), (20, 3, 0), (30, 9, UNFOLLOWED), (40, 0, BLOCKED),
        hot=rows((1, 10), (2, 20), (3, 10), (4, 40)), newest=rows((5, 20), (6, 10), (7, 30)),
        trending=everybodys((8, 80), source=Source.TRENDING),
    )  # fmt: skip
    posts = dict(zip(found.candidates.post_id.tolist(), found.candidates.sources.tolist(), strict=True))
    assert posts == {
        1: Source.FOLLOWEE, 3: Source.FOLLOWEE, 5: Source.AFFINITY, 7: Source.AFFINITY, 8: Source.TRENDING,
    }  # fmt: skip
    assert found.candidates.likes.tolist() == found.candidates.post_id.tolist()


def test_interactions_are_those_with_the_author_wherever_the_post_came_from() -> None:
    trending = everybodys((2, 20), (3, 30), source=Source.TRENDING)
    found = proposal((30, 5, 0), (10, 9, FOLLOWS), hot=rows((1, 10)), trending=trending)
    assert found.candidates.interactions.tolist() == [9, 0, 5]


def test_close_are_those_of_most_interactions_and_no_more_than_may_be() -> None:
    pairs = [(author, author % 50, 0) for author in range(1, 101)]
    expected = sorted((pair for pair in pairs if pair[1]), key=lambda pair: (-pair[1], pair[0]))[:CLOSE]
    assert known(*pairs).close.tolist() == [author for author, _, _ in expected]


@pytest.mark.parametrize(
    ("pairs", "cold"),
    [([], True), ([(10, 0, BLOCKED)], True), ([(10, 0, FOLLOWS)], False), ([(10, 1, 0)], False)],
)
def test_new_posts_are_tried_on_viewers_of_whom_nothing_is_known_alone(
    pairs: list[tuple[int, int, int]], *, cold: bool
) -> None:
    found = proposal(
        *pairs,
        trending=everybodys((2, 20), source=Source.TRENDING),
        fresh=everybodys((3, 30), source=Source.EXPLORATION),
    )
    assert found.cold is cold
    assert (Source.EXPLORATION in found.candidates.sources.tolist()) is cold


@pytest.mark.parametrize("relation", range(16))
def test_each_bit_of_a_relation_is_one_rule(relation: int) -> None:
    found = proposal((10, 0, relation), (11, 0, FOLLOWS))
    assert found.followees.tolist() == ([10, 11] if relation & FOLLOWS else [11])
    rules = found.rules
    lists = (rules.blocked_authors, rules.muted_authors, rules.unfollowed_authors)
    expected = [[10] if relation & bit else [] for bit in (BLOCKED, MUTED, UNFOLLOWED)]
    assert [authors.tolist() for authors in lists] == expected


class Asked:
    """A store that answers when it is told to; None: it is away."""

    def __init__(self) -> None:
        self.answers: asyncio.Queue[Candidates | None] = asyncio.Queue()
        self.count = 0

    async def __call__(self) -> Candidates:
        self.count += 1
        answer = await self.answers.get()
        if answer is None:
            raise StoreUnavailableError("clickhouse", "no answer")
        return answer


async def shared_and_known(age_s: float) -> tuple[Shared, Asked, VirtualClock, Candidates]:
    store, clock, first = Asked(), VirtualClock(), everybodys((1, 10), source=Source.TRENDING)
    shared = Shared(clock, age_s, store)
    store.answers.put_nowait(first)
    waiting = [asyncio.ensure_future(shared.get()) for _ in range(5)]
    assert {id(answer) for answer in await asyncio.gather(*waiting)} == {id(first)}
    assert store.count == 1
    return shared, store, clock, first


async def test_what_everybody_shares_is_asked_for_anew_behind_whoever_comes_when_it_is_old() -> None:
    shared, store, clock, first = await shared_and_known(1.0)
    clock.pass_s(0.9)
    assert await shared.get() is first
    assert store.count == 1
    clock.pass_s(0.2)
    assert [await shared.get(), await shared.get()] == [first, first]
    second = everybodys((2, 20), source=Source.TRENDING)
    store.answers.put_nowait(second)
    await turns()
    assert await shared.get() is second
    assert store.count == 2


async def test_what_is_twice_as_old_is_waited_for() -> None:
    shared, store, clock, _ = await shared_and_known(1.0)
    clock.pass_s(2.1)
    waiting = asyncio.ensure_future(shared.get())
    await turns()
    assert not waiting.done()
    second = everybodys((2, 20), source=Source.TRENDING)
    store.answers.put_nowait(second)
    assert await waiting is second


async def test_an_answer_that_does_not_come_fails_who_waits_for_it_and_nobody_else() -> None:
    shared, store, clock, first = await shared_and_known(1.0)
    clock.pass_s(1.5)
    assert await shared.get() is first
    store.answers.put_nowait(None)
    await turns()
    assert await shared.get() is first
    clock.pass_s(1.0)
    store.answers.put_nowait(None)
    with pytest.raises(StoreUnavailableError):
        await shared.get()
    second = everybodys((2, 20), source=Source.TRENDING)
    store.answers.put_nowait(second)
    assert await shared.get() is second


async def turns() -> None:
    """Some of the event loop's: what can go on has gone on."""
    for _ in range(10):
        await asyncio.sleep(0)
