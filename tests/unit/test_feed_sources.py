"""The pure half of the sources: rows of many viewers taken apart, and joined with what is known of each pair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.feed.sources import (
    BLOCKED,
    FOLLOWS,
    MUTED,
    UNFOLLOWED,
    _by_viewer,
    _candidates,
    _look_up,
    _proposal,
    _take,
)
from nova_feed.ranking import Candidates, Source
from nova_feed.store.native import Columns
from tests.unit.test_ranking_candidates import law

COUNTED = ("post_id", "author_id", "created_ms", "likes", "comments", "shares", "exposures")
NOTHING = Candidates.empty()


def column(values: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(values, dtype=np.int64)


def posts(*rows: tuple[int, int], source: int = 1) -> Candidates:
    """Rows of (post, author); every number of a post is its id."""
    columns = {name: column([post for post, _ in rows]) for name in COUNTED}
    return _candidates(Columns(columns | {"author_id": column([author for _, author in rows])}), source)


def pairs(*rows: tuple[int, int, int]) -> Columns:
    """Rows of (author, interactions, relation)."""
    names = ("author_id", "interactions", "relation")
    return Columns({name: column([row[i] for row in rows]) for i, name in enumerate(names)})


@law
@given(st.lists(st.integers(1, 9), max_size=60))
def test_every_row_goes_to_its_viewer_once_and_in_order(viewers: list[int]) -> None:
    groups = _by_viewer(Columns(viewer_id=column(viewers)))
    assert {viewer: rows.tolist() for viewer, rows in groups.items()} == {
        viewer: [row for row, other in enumerate(viewers) if other == viewer] for viewer in set(viewers)
    }


@law
@given(st.dictionaries(st.integers(1, 50), st.integers(0, 9)), st.lists(st.integers(1, 60)))
def test_looking_up_is_reading_a_dictionary_with_zero_for_what_is_not_there(
    known: dict[int, int], wanted: list[int]
) -> None:
    keys = column(sorted(known))
    found = _look_up(column(wanted), keys, column([known[key] for key in sorted(known)]))
    assert found.tolist() == [known.get(key, 0) for key in wanted]


def test_a_viewer_without_rows_gets_empty_columns() -> None:
    assert [len(values) for values in _take(pairs((1, 2, 0)), column([])).values()] == [0] * 3


def test_a_proposal_without_any_rows_is_empty_and_forbids_nothing() -> None:
    proposal = _proposal(7, NOTHING, Columns(), NOTHING, NOTHING)
    assert (len(proposal.candidates), proposal.rules.viewer_id) == (0, 7)
    assert len(proposal.rules.blocked_authors) == 0


def test_a_proposal_has_the_viewers_own_rows_and_everybodys_trending() -> None:
    proposal = _proposal(7, posts((1, 10), source=4), pairs(), posts((2, 20), (3, 30), source=2), NOTHING)
    assert proposal.candidates.post_id.tolist() == [1, 2, 3]
    assert proposal.candidates.sources.tolist() == [Source.AFFINITY, Source.TRENDING, Source.TRENDING]
    assert proposal.candidates.likes.tolist() == [1, 2, 3]


def test_interactions_are_those_with_the_author_wherever_the_post_came_from() -> None:
    known = pairs((30, 5, 0), (10, 9, FOLLOWS))
    proposal = _proposal(7, posts((1, 10)), known, posts((2, 20), (3, 30), source=2), NOTHING)
    assert proposal.candidates.interactions.tolist() == [9, 0, 5]


@pytest.mark.parametrize(
    ("known", "cold"),
    [(pairs(), True), (pairs((10, 0, BLOCKED)), True), (pairs((10, 0, FOLLOWS)), False), (pairs((10, 1, 0)), False)],
)
def test_new_posts_are_tried_on_viewers_of_whom_nothing_is_known_alone(known: Columns, cold: bool) -> None:
    proposal = _proposal(7, NOTHING, known, posts((2, 20), source=2), posts((3, 30), source=16))
    assert proposal.cold is cold
    assert (Source.EXPLORATION in proposal.candidates.sources.tolist()) is cold


@pytest.mark.parametrize("relation", range(16))
def test_each_bit_of_a_relation_is_one_rule(relation: int) -> None:
    proposal = _proposal(7, NOTHING, pairs((10, 0, relation), (11, 0, FOLLOWS)), NOTHING, NOTHING)
    rules, followees = proposal.rules, proposal.followees.tolist()
    assert followees == ([10, 11] if relation & FOLLOWS else [11])
    lists = (rules.blocked_authors, rules.muted_authors, rules.unfollowed_authors)
    expected = [[10] if relation & bit else [] for bit in (BLOCKED, MUTED, UNFOLLOWED)]
    assert [authors.tolist() for authors in lists] == expected
