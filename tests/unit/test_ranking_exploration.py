"""Exploration: a declared share, drawn uniformly, with the probability told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.ranking.exploration import EVERY, blend

ids = st.lists(st.integers(1, 2**63 - 1), unique=True, max_size=80)


@given(ids, st.data(), st.integers(0, 2**64 - 1))
def test_no_row_is_lost_and_those_by_score_keep_their_order(posts: list[int], data: st.DataObject, seed: int) -> None:
    explored = np.array([data.draw(st.booleans()) for _ in posts], dtype=np.bool_)
    order = np.array(data.draw(st.permutations(range(len(posts)))), dtype=np.int64)
    found = blend(order, explored, np.array(posts, dtype=np.int64), seed)
    assert sorted([*found.order.tolist(), *found.left.tolist()]) == sorted(order.tolist())
    assert [row for row in found.order.tolist() if not explored[row]] == [r for r in order.tolist() if not explored[r]]
    assert explored[found.order].tolist() == found.drawn.tolist()
    assert explored[found.left].all()


@given(st.integers(0, 200), st.integers(0, 60), st.integers(0, 2**32))
def test_one_place_in_ten_at_most_is_drawn_and_each_stands_there(scored: int, pool: int, seed: int) -> None:
    count = scored + pool
    explored = np.arange(count) >= scored
    found = blend(np.arange(count), explored, np.arange(1, count + 1), seed)
    places = np.flatnonzero(found.drawn)
    if scored:
        assert len(places) == min(scored // (EVERY - 1), pool)
        assert (places == (np.arange(len(places)) + 1) * EVERY - 1).all()
    else:
        assert len(places) == pool
    assert found.propensity == (len(places) / pool if pool else 0)


@given(ids, st.integers(0, 2**64 - 1), st.randoms())
def test_what_is_drawn_depends_on_the_posts_and_the_seed_not_on_the_order_of_rows(
    posts: list[int], seed: int, random: object
) -> None:
    scored = [-post for post in posts[:18]]

    def drawn(pool: list[int]) -> set[int]:
        every = np.array([*scored, *pool], dtype=np.int64)
        found = blend(np.arange(len(every)), np.arange(len(every)) >= len(scored), every, seed)
        return set(every[found.order[found.drawn]].tolist())

    assert drawn(posts) == drawn(posts[::-1])


def test_every_post_is_drawn_as_often_as_its_propensity_says() -> None:
    scored, pool, seeds = 45, 20, 4_000
    explored = np.arange(scored + pool) >= scored
    posts = np.arange(1, scored + pool + 1)
    hits = np.zeros(scored + pool)
    for seed in range(seeds):
        found = blend(np.arange(scored + pool), explored, posts, seed)
        hits[found.order[found.drawn]] += 1
    expected = found.propensity
    assert expected == pytest.approx(5 / 20)
    # Five standard deviations of a binomial share; the seeds are fixed, so this fails always or never.
    assert np.abs(hits[scored:] / seeds - expected).max() < 5 * (expected * (1 - expected) / seeds) ** 0.5
