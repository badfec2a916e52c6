"""Author saturation, held against an independent checker and a naive arranger."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.ranking import Arrangement, Saturation, lawful, saturate, violations
from tests.unit.test_ranking_candidates import law

authors_lists = (
    st.lists(st.integers(0, 4), max_size=40)
    | st.lists(st.integers(0, 12), max_size=60)
    | st.lists(st.integers(0, 200), max_size=80)
)
rules = st.just(Saturation()) | st.builds(
    Saturation, top=st.integers(0, 8), max_in_top=st.integers(1, 3), distance=st.integers(1, 7)
)
histories = st.lists(st.integers(0, 12), max_size=12)
starts = st.integers(0, 12)


def arranged(authors: list[int], arrangement: Arrangement) -> list[int]:
    return [authors[row] for row in arrangement.order]


def admissible(author: int, rule: Saturation, before: list[int], position: int) -> bool:
    return not violations([author], rule, history=before, start=position)


def naive(authors: list[int], rule: Saturation, history: list[int], start: int) -> tuple[list[int], list[bool]]:
    """The rule's definition, word by word, in cubic time."""
    left, before = list(range(len(authors))), list(history)
    order: list[int] = []
    relaxed: list[bool] = []
    while left:
        position = start + len(order)
        fit = [row for row in left if admissible(authors[row], rule, before, position)]
        seen_last = {author: i for i, author in enumerate(before)}
        row = fit[0] if fit else min(left, key=lambda row: (seen_last[authors[row]], row))
        left.remove(row)
        before.append(authors[row])
        order.append(row)
        relaxed.append(not fit)
    return order, relaxed


@law
@given(authors_lists, rules, histories, starts)
def test_the_arrangement_is_the_one_the_definition_gives(
    authors: list[int], rule: Saturation, history: list[int], start: int
) -> None:
    result = saturate(authors, rule, history=history, start=start)
    assert (result.order.tolist(), result.relaxed.tolist()) == naive(authors, rule, history, start)


@law
@given(authors_lists, rules, histories, starts)
def test_nothing_is_dropped(authors: list[int], rule: Saturation, history: list[int], start: int) -> None:
    order = saturate(authors, rule, history=history, start=start).order
    assert sorted(order.tolist()) == list(range(len(authors)))


@law
@given(authors_lists, rules, histories, starts)
def test_the_rule_holds_or_is_lawfully_relaxed_exactly_where_it_says_so(
    authors: list[int], rule: Saturation, history: list[int], start: int
) -> None:
    result = saturate(authors, rule, history=history, start=start)
    listed = arranged(authors, result)
    assert violations(listed, rule, history=history, start=start) == np.flatnonzero(result.relaxed).tolist()
    assert lawful(listed, rule, history=history, start=start)


@law
@given(authors_lists, rules)
def test_posts_of_one_author_keep_their_order(authors: list[int], rule: Saturation) -> None:
    order = saturate(authors, rule).order.tolist()
    for author in set(authors):
        rows = [row for row in order if authors[row] == author]
        assert rows == sorted(rows)


@law
@given(authors_lists, rules, histories, starts)
def test_the_first_post_is_the_best_one_admissible(
    authors: list[int], rule: Saturation, history: list[int], start: int
) -> None:
    order = saturate(authors, rule, history=history, start=start).order
    fit = [row for row, author in enumerate(authors) if admissible(author, rule, history, start)]
    assert order[:1].tolist() == fit[:1] or not fit


@law
@given(st.lists(st.integers(), max_size=60, unique=True).map(lambda ids: [i % 2**62 for i in ids]), rules)
def test_a_list_that_keeps_the_rule_stays_in_score_order(authors: list[int], rule: Saturation) -> None:
    if not violations(authors, rule):
        result = saturate(authors, rule)
        assert result.order.tolist() == list(range(len(authors)))
        assert not result.relaxed.any()


@law
@given(authors_lists, rules, histories, starts, st.integers(0, 60))
def test_a_part_of_the_places_is_filled_as_all_of_them_would_be(
    authors: list[int], rule: Saturation, history: list[int], start: int, places: int
) -> None:
    whole = saturate(authors, rule, history=history, start=start)
    part = saturate(authors, rule, history=history, start=start, places=places)
    assert part.order[:places].tolist() == whole.order[:places].tolist()
    assert part.relaxed[:places].tolist() == whole.relaxed[:places].tolist()
    left = part.order[places:].tolist()
    assert left == sorted(left)
    assert sorted(part.order.tolist()) == list(range(len(authors)))


@law
@given(authors_lists, rules, histories, starts)
def test_arranging_an_arranged_list_changes_nothing(
    authors: list[int], rule: Saturation, history: list[int], start: int
) -> None:
    first = saturate(authors, rule, history=history, start=start)
    second = saturate(arranged(authors, first), rule, history=history, start=start)
    assert second.order.tolist() == list(range(len(authors)))
    assert second.relaxed.tolist() == first.relaxed.tolist()


@law
@given(authors_lists, rules, histories, starts, st.integers(1, 20))
def test_arranging_page_by_page_is_arranging_in_one_go(
    authors: list[int], rule: Saturation, history: list[int], start: int, size: int
) -> None:
    whole = saturate(authors, rule, history=history, start=start)
    left, served = list(range(len(authors))), list(history)
    rows: list[int] = []
    relaxed: list[bool] = []
    while left:
        remembered = served[max(0, len(served) - rule.memory) :]
        position = start + len(rows)
        page = saturate([authors[row] for row in left], rule, history=remembered, start=position)
        rows += (taken := [left[i] for i in page.order[:size]])
        relaxed += page.relaxed[:size].tolist()
        served += [authors[row] for row in taken]
        left = [row for row in left if row not in taken]
    assert (rows, relaxed) == (whole.order.tolist(), whole.relaxed.tolist())


@law
@given(authors_lists, rules, histories, starts)
def test_a_history_beyond_the_memory_of_the_rule_changes_nothing(
    authors: list[int], rule: Saturation, history: list[int], start: int
) -> None:
    long = saturate(authors, rule, history=history, start=start)
    short = saturate(authors, rule, history=history[max(0, len(history) - rule.memory) :], start=start)
    assert (long.order.tolist(), long.relaxed.tolist()) == (short.order.tolist(), short.relaxed.tolist())


def test_no_posts_make_an_empty_list() -> None:
    result = saturate([], Saturation(), history=[1, 2], start=2)
    assert (len(result.order), len(result.relaxed)) == (0, 0)


def test_one_author_alone_keeps_score_order_and_every_place_after_the_first_is_relaxed() -> None:
    result = saturate([5] * 700, Saturation())
    assert result.order.tolist() == list(range(700))
    assert result.relaxed.tolist() == [False] + [True] * 699


def test_two_authors_alternate_when_the_rule_gives_way() -> None:
    authors = [1, 1, 1, 2, 2, 2]
    result = saturate(authors, Saturation())
    assert arranged(authors, result) == [1, 2, 1, 2, 1, 2]
    assert result.relaxed.tolist() == [False, False, True, True, True, True]


def test_a_crowded_top_is_filled_from_further_down() -> None:
    authors = [1, 1, 2, 1, 3, 4, 5, 6]
    assert arranged(authors, saturate(authors, Saturation())) == [1, 2, 3, 4, 5, 1, 6, 1]


def test_a_post_that_had_to_wait_keeps_the_next_of_its_author_at_a_distance() -> None:
    authors = [1, 1, 2, 3, 4, 5, 6, 1, 7]
    assert arranged(authors, saturate(authors, Saturation())) == [1, 2, 3, 4, 5, 1, 6, 7, 1]


def test_an_author_served_at_the_end_of_a_page_waits_on_the_next() -> None:
    authors = [1, 2, 3]
    result = saturate(authors, Saturation(), history=[8, 9, 1], start=50)
    assert arranged(authors, result) == [2, 3, 1]


@pytest.mark.parametrize(("name", "value"), [("top", -1), ("max_in_top", 0), ("distance", 0)])
def test_numbers_that_make_no_rule_are_refused_by_name(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"saturation: {name} is"):
        Saturation(**{name: value})
