"""Pages cut from a frozen list: nothing repeats, nothing is skipped, the rules of the moment hold."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.feed.assemble import SPARE, Cut, ReadRules, cut
from nova_feed.feed.cursor import TAIL
from nova_feed.feed.frozen import FrozenList, freeze
from nova_feed.feed.rules import PageRules
from nova_feed.ranking import Candidates, Saturation, Source, ViewerRules, Weights, lawful, rank
from tests.unit.test_ranking_candidates import NOW, law

RULE = Saturation()
AUTHORS = st.lists(st.integers(1, 6), max_size=70) | st.lists(st.integers(1, 60), max_size=70)
LIMITS = st.lists(st.integers(1, 25), min_size=1, max_size=8)
Remove = Callable[[int], bool]


def frozen_list(authors: list[int], followees: Sequence[int] = ()) -> FrozenList:
    """Post 1 is the newest and stands, but for saturation, first."""
    candidates = Candidates.make(
        post_id=np.arange(1, len(authors) + 1),
        author_id=np.array(authors, dtype=np.int64),
        created_ms=NOW - np.arange(len(authors)) * 60_000,
        sources=Source.TRENDING,
    )
    ranked = rank(candidates, now_ms=NOW, weights=Weights(), rules=ViewerRules(0), saturation=RULE)
    return freeze(ranked, "ranked", followees=np.array(followees, dtype=np.int64))


def everything_but(posts: set[int] | frozenset[int], hidden: frozenset[int] = frozenset()) -> ReadRules:
    async def read(asked: Sequence[int], authors: Sequence[int]) -> PageRules:
        return PageRules(frozenset(asked) - posts, hidden & frozenset(authors), frozenset())

    return read


async def pages(frozen: FrozenList, limits: list[int], reads: Callable[[int], ReadRules]) -> list[Cut]:
    """All pages of a list, with limits and rules that change from page to page."""
    found: list[Cut] = []
    position = served = 0
    tail: tuple[int, ...] = ()
    while position < len(frozen):
        limit = limits[len(found) % len(limits)]
        part = await cut(frozen, reads(len(found)), position=position, served=served, tail=tail, limit=limit, rule=RULE)
        assert part.position > position
        position, served = part.position, served + len(part.rows)
        tail = (*tail, *authors_of(frozen, part))[-TAIL:]
        found.append(part)
    return found


def authors_of(frozen: FrozenList, part: Cut) -> list[int]:
    return [int(frozen.candidates.author_id[row]) for row in part.rows]


def run(work: Awaitable[list[Cut]]) -> list[Cut]:
    """Drive a coroutine that waits for nothing real: Hypothesis calls plain functions."""
    try:
        work.__await__().send(None)
    except StopIteration as done:
        return list(done.value)
    raise AssertionError("cutting a page waited for something")


@law
@given(AUTHORS, LIMITS, st.sets(st.integers(1, 70)))
def test_the_pages_together_are_the_list_without_what_was_removed(
    authors: list[int], limits: list[int], removed: set[int]
) -> None:
    frozen = frozen_list(authors)
    shown = [row for part in run(pages(frozen, limits, lambda _: everything_but(removed))) for row in part.rows]
    posts = frozen.candidates.post_id[np.array(shown, dtype=np.int64)].tolist()
    assert len(posts) == len(set(posts))
    assert set(posts) == set(range(1, len(authors) + 1)) - removed


@law
@given(AUTHORS, LIMITS, st.lists(st.sets(st.integers(1, 70)), min_size=1, max_size=6))
def test_rules_that_change_between_pages_repeat_nothing_and_skip_nothing(
    authors: list[int], limits: list[int], waves: list[set[int]]
) -> None:
    frozen = frozen_list(authors)
    gone = [set[int]().union(*waves[: page + 1]) for page in range(len(waves))]
    found = run(pages(frozen, limits, lambda page: everything_but(gone[min(page, len(gone) - 1)])))
    at = 0
    for page, part in enumerate(found):
        stretch = frozen.candidates.post_id[at : part.position].tolist()
        expected = set(stretch) - gone[min(page, len(gone) - 1)]
        assert {int(frozen.candidates.post_id[row]) for row in part.rows} == expected
        assert part.removed == len(stretch) - len(part.rows)
        at = part.position
    assert at == len(authors)


@law
@given(AUTHORS, LIMITS, st.sets(st.integers(1, 70)))
def test_a_page_is_full_unless_the_list_is_at_its_end(authors: list[int], limits: list[int], removed: set[int]) -> None:
    frozen = frozen_list(authors)
    for page, part in enumerate(run(pages(frozen, limits, lambda _: everything_but(removed)))):
        assert len(part.rows) == limits[page % len(limits)] or part.position == len(frozen)


@law
@given(AUTHORS, LIMITS, st.sets(st.integers(1, 70)))
def test_saturation_holds_on_every_page_as_far_as_the_page_can(
    authors: list[int], limits: list[int], removed: set[int]
) -> None:
    frozen = frozen_list(authors)
    before: list[int] = []
    for part in run(pages(frozen, limits, lambda _: everything_but(removed))):
        shown = authors_of(frozen, part)
        assert lawful(shown, RULE, history=before, start=len(before))
        before += shown


@law
@given(AUTHORS, LIMITS)
def test_without_removals_the_pages_are_the_list_in_its_own_order(authors: list[int], limits: list[int]) -> None:
    frozen = frozen_list(authors)
    shown = [row for part in run(pages(frozen, limits, lambda _: everything_but(set()))) for row in part.rows]
    assert sorted(shown) == list(range(len(frozen)))
    if not frozen.relaxed.any():
        assert shown == list(range(len(frozen)))


@law
@given(AUTHORS, LIMITS, st.frozensets(st.integers(1, 60)))
def test_hidden_authors_are_on_no_page(authors: list[int], limits: list[int], hidden: frozenset[int]) -> None:
    frozen = frozen_list(authors)
    for part in run(pages(frozen, limits, lambda _: everything_but(set(), hidden))):
        assert not hidden & set(authors_of(frozen, part))


async def test_posts_of_an_author_followed_then_and_not_now_drop_out_whatever_proposed_them() -> None:
    frozen = frozen_list([1, 2, 3], followees=[1, 3, 4])
    part = await cut(frozen, everything_but(set()), position=0, served=0, tail=(), limit=5, rule=RULE)
    assert authors_of(frozen, part) == [2]


async def test_a_few_removals_cost_no_second_read() -> None:
    asked: list[int] = []

    async def read(posts: Sequence[int], authors: Sequence[int]) -> PageRules:
        asked.append(len(posts))
        return PageRules(frozenset(posts) - frozenset(range(1, SPARE + 1)), frozenset(), frozenset())

    part = await cut(frozen_list(list(range(1, 101))), read, position=0, served=0, tail=(), limit=10, rule=RULE)
    assert (asked, len(part.rows), part.removed) == ([10 + SPARE], 10, SPARE)
