"""Trending: the list in the order of engagement, and what a viewer is shown of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.ranking import Candidates, Saturation, Source, engagement, lawful, show, trend, violations
from tests.unit.test_ranking_candidates import NOW, law

RULE = Saturation()
ROWS = st.lists(
    st.tuples(st.integers(1, 8), st.integers(0, 3), st.integers(0, 6), st.integers(0, 4), st.integers(0, 3)),
    max_size=60,
)
Row = tuple[int, int, int, int, int]


def posts(rows: list[Row]) -> Candidates:
    """Rows of author, age in minutes, likes, comments, shares; post ids ascend from 1."""
    author, age, likes, comments, shares = np.array(rows, dtype=np.int64).reshape(-1, 5).T
    return Candidates.make(
        post_id=np.arange(1, len(rows) + 1), author_id=author, created_ms=NOW - age * 60_000,
        likes=likes, comments=comments, shares=shares, sources=Source.TRENDING,
    )  # fmt: skip


def test_a_comment_counts_two_and_a_share_three() -> None:
    assert engagement(posts([(1, 0, 5, 3, 2), (1, 0, 1, 0, 0)])).tolist() == [17, 1]


@law
@given(ROWS)
def test_the_list_is_in_the_order_of_score_then_age_then_id(rows: list[Row]) -> None:
    listed = trend(posts(rows), per_author=60)
    keys = list(zip(engagement(listed), listed.created_ms, listed.post_id, strict=True))
    assert keys == sorted(keys, reverse=True)
    assert len(listed) == sum(likes + comments + shares > 0 for _, _, likes, comments, shares in rows)


@law
@given(ROWS, st.integers(1, 20), st.integers(1, 5))
def test_a_list_is_as_long_as_asked_and_no_author_has_more_than_the_share_of_one(
    rows: list[Row], most: int, per_author: int
) -> None:
    whole, listed = trend(posts(rows), per_author=60), trend(posts(rows), most=most, per_author=per_author)
    seen: dict[int, int] = {}
    expected = []
    for post, author in zip(whole.post_id.tolist(), whole.author_id.tolist(), strict=True):
        seen[author] = seen.get(author, 0) + 1
        if seen[author] <= per_author:
            expected.append(post)
    assert listed.post_id.tolist() == expected[:most]


@law
@given(ROWS, st.permutations(range(60)))
def test_the_order_of_the_rows_that_come_in_does_not_matter(rows: list[Row], order: list[int]) -> None:
    given_rows = posts(rows)
    shuffled = given_rows.take(np.array([i for i in order if i < len(rows)], dtype=np.int64))
    assert trend(shuffled).post_id.tolist() == trend(given_rows).post_id.tolist()


@law
@given(ROWS, st.sets(st.integers(0, 59)), st.integers(1, 30))
def test_what_is_shown_is_allowed_full_and_keeps_the_saturation_rule_as_far_as_the_list_can(
    rows: list[Row], forbidden: set[int], limit: int
) -> None:
    listed = trend(posts(rows))
    allowed = np.array([row not in forbidden for row in range(len(listed))], dtype=np.bool_)
    shown = show(listed, allowed, RULE, limit=limit)
    authors = listed.author_id[shown.rows].tolist()
    assert len(set(shown.rows.tolist())) == len(shown.rows) == min(limit, int(allowed.sum()))
    assert allowed[shown.rows].all()
    assert np.flatnonzero(shown.relaxed).tolist() == violations(authors, RULE)
    whole = show(listed, allowed, RULE, limit=len(listed))
    assert shown.rows.tolist() == whole.rows[:limit].tolist()
    assert lawful(listed.author_id[whole.rows].tolist(), RULE)


@law
@given(ROWS, st.integers(1, 30), st.integers(0, 30))
def test_a_stretch_that_needed_no_relaxing_shows_what_the_whole_list_would(
    rows: list[Row], limit: int, spare: int
) -> None:
    listed = trend(posts(rows))
    everything = np.ones(len(listed), dtype=np.bool_)
    stretch = np.arange(len(listed)) < limit + spare
    part = show(listed, stretch, RULE, limit=limit)
    if len(part.rows) == limit and not part.relaxed.any():
        assert part.rows.tolist() == show(listed, everything, RULE, limit=limit).rows.tolist()


@pytest.mark.parametrize("count", [0, 1, 7])
def test_one_author_alone_is_shown_all_the_same_marked_where_the_rule_gave_way(count: int) -> None:
    listed = trend(posts([(1, 0, 1, 0, 0)] * count))
    shown = show(listed, np.ones(count, dtype=np.bool_), RULE, limit=100)
    assert shown.relaxed.tolist() == [False, *[True] * (count - 1)][:count]
