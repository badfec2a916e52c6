"""The outside view of the saturation rule, by example: the arranger's tests lean on it."""

from __future__ import annotations

import pytest

from nova_feed.ranking import Saturation, lawful, violations

DISTANCE_ONLY = Saturation(top=0)


@pytest.mark.parametrize(
    ("authors", "places"),
    [
        ([], []),
        ([1], []),
        ([1, 2, 3, 4, 5], []),
        ([1, 2, 3, 4, 1], [4]),
        ([1, 2, 3, 4, 5, 1], []),
        ([1, 2, 3, 4, 5, 5], [5]),
        ([1, 2, 3, 4, 5, 6, 5], [6]),
        ([1, 2, 3, 4, 5, 6, 7, 5], []),
        ([1, 1, 1], [1, 2]),
    ],
)
def test_an_author_stands_once_in_the_top_five_and_then_at_a_distance_of_three(
    authors: list[int], places: list[int]
) -> None:
    assert violations(authors, Saturation()) == places


def test_a_history_counts_for_distance_and_within_the_same_list_for_the_top() -> None:
    assert violations([3, 1], Saturation(), history=[1, 2, 3], start=3) == [0, 1]
    assert violations([9, 8, 7, 3], Saturation(), history=[1, 2, 3], start=0) == []
    assert violations([2, 1], Saturation(), history=[1, 2, 3], start=99) == [0]


def test_a_violation_is_lawful_only_while_nobody_later_could_have_stood_there() -> None:
    assert lawful([1, 1, 1], Saturation())
    assert lawful([1, 2, 1, 1], DISTANCE_ONLY)
    assert not lawful([1, 1, 2], DISTANCE_ONLY)
    assert not lawful([1, 2, 1, 3], Saturation())


def test_a_list_without_violations_is_lawful() -> None:
    assert lawful([1, 2, 3, 1, 2, 3], DISTANCE_ONLY)
