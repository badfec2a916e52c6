"""Hints become a list of people with reasons; rules narrow it; reasons become sentences."""

from __future__ import annotations

import math
from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.ranking import Hint, Kind, Reason, Suggestion, is_cold, merge_hints, sentence, standing
from nova_feed.ranking.suggesting import WEIGHTS
from tests.unit.test_ranking_candidates import law

VIEWER = 7
IDS = st.integers(1, 15)
NAMING = {Kind.FOLLOWED_BY, Kind.SIMILAR, Kind.ALSO_READ}


@st.composite
def hint(draw: st.DrawFn) -> Hint:
    kind = draw(st.sampled_from(Kind))
    vias = tuple(sorted(draw(st.sets(IDS, min_size=1, max_size=5)))) if kind in NAMING else ()
    return Hint(draw(IDS), kind, draw(st.integers(max(1, len(vias)), 50)), vias)


HINTS = st.lists(hint(), max_size=40)


def everybody(person: int) -> bool:
    return True


@law
@given(HINTS)
def test_the_list_names_each_person_once_best_first_and_never_the_viewer(hints: list[Hint]) -> None:
    found = merge_hints(VIEWER, hints)
    keys = [(-suggestion.score, suggestion.user_id) for suggestion in found]
    assert keys == sorted(keys)
    assert {suggestion.user_id for suggestion in found} == {one.person_id for one in hints} - {VIEWER}
    assert len({suggestion.user_id for suggestion in found}) == len(found)


@law
@given(HINTS)
def test_the_terms_of_the_reasons_add_up_to_the_score_exactly(hints: list[Hint]) -> None:
    for suggestion in merge_hints(VIEWER, hints):
        terms = [reason.term for reason in suggestion.reasons]
        assert Fraction(suggestion.score) == sum(map(Fraction, terms))
        assert terms == sorted(terms, reverse=True)
        for reason in suggestion.reasons:
            assert reason.term == pytest.approx(WEIGHTS[reason.kind] * math.log1p(reason.amount), abs=2**-32)


@law
@given(HINTS, st.randoms())
def test_the_order_in_which_hints_come_does_not_matter_and_a_hint_twice_counts_once(
    hints: list[Hint], dice: Random
) -> None:
    shuffled = hints + hints
    dice.shuffle(shuffled)
    assert merge_hints(VIEWER, shuffled) == merge_hints(VIEWER, hints)


@law
@given(HINTS, st.integers(0, 10))
def test_a_shorter_list_is_the_beginning_of_the_longer_one(hints: list[Hint], most: int) -> None:
    assert merge_hints(VIEWER, hints, most=most) == merge_hints(VIEWER, hints)[:most]


def test_no_number_of_followers_outweighs_the_least_personal_hint() -> None:
    people = merge_hints(VIEWER, [Hint(1, Kind.POPULAR, 2**49), Hint(2, Kind.SIMILAR, 1, (3,))])
    assert [suggestion.user_id for suggestion in people] == [2, 1]


@law
@given(HINTS, st.frozensets(IDS), st.frozensets(IDS), st.frozensets(IDS))
def test_rules_leave_whom_the_viewer_may_see_by_reasons_that_name_only_whom_they_may(
    hints: list[Hint], hidden: frozenset[int], unseen: frozenset[int], followed: frozenset[int]
) -> None:
    before = {suggestion.user_id: suggestion for suggestion in merge_hints(VIEWER, hints)}
    after = standing(
        before.values(),
        allowed=lambda person: person not in hidden,
        named=lambda person: person not in unseen,
        followed=followed.__contains__,
    )
    assert not hidden & {suggestion.user_id for suggestion in after}
    for suggestion in after:
        was = {reason.kind: reason for reason in before[suggestion.user_id].reasons}
        assert suggestion.score == sum(reason.term for reason in suggestion.reasons) <= before[suggestion.user_id].score
        for reason in suggestion.reasons:
            assert set(reason.vias) <= set(was[reason.kind].vias) - unseen
            if reason.kind in NAMING:
                assert reason.vias
            if reason.kind in {Kind.FOLLOWED_BY, Kind.SIMILAR}:
                assert set(reason.vias) <= followed
                assert was[reason.kind].amount - reason.amount == len(was[reason.kind].vias) - len(reason.vias)
    keys = [(-suggestion.score, suggestion.user_id) for suggestion in after]
    assert keys == sorted(keys)


@law
@given(HINTS)
def test_rules_that_forbid_nothing_change_nothing(hints: list[Hint]) -> None:
    found = merge_hints(VIEWER, hints)
    assert standing(found, allowed=everybody, named=everybody, followed=everybody) == found


def test_a_list_is_cold_when_popularity_is_all_it_rests_on() -> None:
    popular, read = Hint(1, Kind.POPULAR, 9), Hint(2, Kind.READ, 1)
    assert is_cold(merge_hints(VIEWER, [popular]))
    assert is_cold([])
    assert not is_cold(merge_hints(VIEWER, [popular, read]))


@pytest.mark.parametrize(
    ("kind", "amount", "names", "said"),
    [
        (Kind.FOLLOWED_BY, 1, ["ann"], "followed by ann"),
        (Kind.FOLLOWED_BY, 2, ["ann", "bob"], "followed by ann and bob"),
        (Kind.FOLLOWED_BY, 3, ["ann", "bob", "cy"], "followed by ann, bob and 1 other you follow"),
        (Kind.FOLLOWED_BY, 9, ["ann"], "followed by ann and 8 others you follow"),
        (Kind.SIMILAR, 2, ["ann", "bob"], "follows ann and bob, as you do"),
        (Kind.SIMILAR, 4, ["ann", "bob"], "follows ann, bob and 2 others, as you do"),
        (Kind.READ, 5, [], "you often read their posts"),
        (Kind.ALSO_READ, 30, ["ann"], "people who read ann also read them"),
        (Kind.ALSO_READ, 30, ["ann", "bob", "cy"], "people who read ann and bob also read them"),
        (Kind.POPULAR, 30, [], "popular here"),
    ],
)
def test_a_reason_in_words(kind: Kind, amount: int, names: list[str], said: str) -> None:
    assert sentence(Reason(kind, amount, 1.0, tuple(range(len(names)))), names) == said


def test_a_suggestion_without_anybody_left_to_name_is_none() -> None:
    [suggestion] = merge_hints(VIEWER, [Hint(1, Kind.FOLLOWED_BY, 2, (3, 4))])
    assert isinstance(suggestion, Suggestion)
    assert standing([suggestion], allowed=everybody, named=everybody, followed=lambda person: False) == []
