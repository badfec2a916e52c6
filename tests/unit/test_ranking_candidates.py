"""Candidates and their merging. The strategies here serve the other ranking tests as well."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import starmap
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_feed.ranking import COLUMNS, Candidates, Source, merge

INT64 = st.integers(-(2**63), 2**63 - 1)
COUNT = st.integers(0, 2**63 - 1)
NOW = 1_760_000_000_000

Row = tuple[int, ...]


def from_rows(rows: Sequence[Row]) -> Candidates:
    """Rows in the order of the fields of Candidates."""
    columns: list[Any] = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in COLUMNS]
    return Candidates.make(**dict(zip(COLUMNS, columns, strict=True)))


def to_rows(candidates: Candidates) -> list[Row]:
    return list(zip(*(getattr(candidates, name).tolist() for name in COLUMNS), strict=True))


def row(ids: st.SearchStrategy[int], times: st.SearchStrategy[int], counts: st.SearchStrategy[int]) -> Any:
    return st.tuples(ids, st.integers(1, 6), times, counts, counts, counts, counts, counts, st.integers(1, 15))


small_rows = st.lists(
    row(st.integers(1, 25), st.integers(NOW - 9 * 10**6, NOW + 10**6), st.integers(0, 40)), max_size=40
)
"""Few ids and few authors, so that posts meet again, tie, and crowd the list."""
extreme_rows = st.lists(row(INT64, INT64, COUNT), max_size=12)
any_rows = small_rows | extreme_rows
law = settings(max_examples=100, deadline=None)


def valid(**changed: Any) -> dict[str, Any]:
    return {
        "post_id": [1, 2],
        "author_id": [3, 4],
        "created_ms": [NOW, NOW],
        "sources": Source.FOLLOWEE,
    } | changed


@law
@given(any_rows)
def test_merging_leaves_one_row_per_post_by_ascending_id(rows: list[Row]) -> None:
    assert merge(from_rows(rows)).post_id.tolist() == sorted({r[0] for r in rows})


@law
@given(any_rows)
def test_merging_takes_the_largest_number_and_the_union_of_the_sources(rows: list[Row]) -> None:
    for merged in to_rows(merge(from_rows(rows))):
        same_post = [r for r in rows if r[0] == merged[0]]
        columns = list(zip(*same_post, strict=True))
        assert merged[:-1] == tuple(starmap(max, ([column] for column in columns[:-1])))
        assert merged[-1] == int(np.bitwise_or.reduce(columns[-1]))


@law
@given(any_rows, st.randoms(use_true_random=False))
def test_merging_does_not_depend_on_the_order_of_rows(rows: list[Row], random: Any) -> None:
    shuffled = random.sample(rows, len(rows))
    assert to_rows(merge(from_rows(shuffled))) == to_rows(merge(from_rows(rows)))


@law
@given(any_rows)
def test_merging_twice_is_merging_once(rows: list[Row]) -> None:
    once = merge(from_rows(rows))
    assert to_rows(merge(once)) == to_rows(once)


@law
@given(small_rows, small_rows, small_rows)
def test_merging_in_any_grouping_gives_the_same(a: list[Row], b: list[Row], c: list[Row]) -> None:
    x, y, z = from_rows(a), from_rows(b), from_rows(c)
    left = merge(Candidates.concat([merge(Candidates.concat([x, y])), z]))
    right = merge(Candidates.concat([x, merge(Candidates.concat([y, z]))]))
    assert to_rows(left) == to_rows(right)


def test_a_post_proposed_by_two_sources_carries_both() -> None:
    twice = Candidates.make(**valid(post_id=[7, 7], sources=[Source.TRENDING, Source.AFFINITY]))
    assert Source(int(merge(twice).sources[0])) == Source.TRENDING | Source.AFFINITY


def test_one_number_stands_for_a_whole_column() -> None:
    candidates = Candidates.make(**valid(likes=5))
    assert candidates.likes.tolist() == [5, 5]
    assert candidates.shares.tolist() == [0, 0]
    assert candidates.sources.tolist() == [1, 1]


def test_no_candidates_are_candidates_too() -> None:
    assert len(Candidates.empty()) == len(Candidates.concat([])) == len(merge(Candidates.empty())) == 0


def test_columns_and_slices_copy_nothing() -> None:
    ids = np.arange(4)
    candidates = Candidates.make(**valid(post_id=ids, author_id=ids, created_ms=ids))
    assert all(np.shares_memory(getattr(candidates, name), candidates.table) for name in COLUMNS)
    assert np.shares_memory(candidates.take(slice(1, 3)).post_id, candidates.table)


@pytest.mark.parametrize("rows", [np.array([3, 1]), np.array([False, True, False, True]), slice(1, 3)])
def test_rows_are_taken_by_number_by_mask_and_by_slice(rows: Any) -> None:
    ids = np.arange(4)
    candidates = Candidates.make(**valid(post_id=ids, author_id=ids + 10, created_ms=ids + 20))
    taken = candidates.take(rows)
    assert [taken.post_id.tolist(), taken.author_id.tolist()] == [ids[rows].tolist(), (ids + 10)[rows].tolist()]


def test_a_row_that_is_not_there_cannot_be_taken() -> None:
    with pytest.raises(IndexError):
        Candidates.make(**valid()).take(np.array([2]))


def test_interactions_are_given_to_a_copy() -> None:
    candidates = Candidates.make(**valid())
    given_more = candidates.with_interactions(np.array([4, 5]))
    assert (given_more.interactions.tolist(), candidates.interactions.tolist()) == ([4, 5], [0, 0])
    assert to_rows(given_more.with_interactions(candidates.interactions)) == to_rows(candidates)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("author_id", [1]),
        ("author_id", [1.0, 2.0]),
        ("author_id", [True, False]),
        ("created_ms", [[1, 2]]),
        ("created_ms", ["now", "then"]),
        ("likes", [1, -1]),
        ("comments", [None, 1]),
        ("shares", [2**63, 1]),
        ("exposures", -1),
        ("interactions", [2**64, 1]),
        ("sources", [1, 0]),
        ("sources", [1, 32]),
        ("post_id", 5),
    ],
)
def test_a_column_that_is_not_right_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"candidates: {field} "):
        Candidates.make(**valid(**{field: value}))
