"""The judge of served pages finds each way to break a law, and finds nothing where none is broken."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.feed.laws import Finding, Law, Shown, Walk, by_the_rules
from nova_feed.ranking import Saturation, saturate
from tests.unit.test_ranking_candidates import law

RULE = Saturation()


def page(
    posts: Sequence[int], *, start: int = 0, authors: Sequence[int] = (), relaxed: Sequence[int] = ()
) -> list[Shown]:
    """Posts from position ``start`` on, each of an author of its own unless said; ``relaxed`` holds places."""
    authors = authors or [1000 + post for post in posts]
    return [
        Shown(post, author, start + place, place in relaxed)
        for place, (post, author) in enumerate(zip(posts, authors, strict=True))
    ]


def laws(found: list[Finding]) -> list[tuple[Law, int]]:
    return [(finding.law, finding.post_id) for finding in found]


@law
@given(st.lists(st.integers(1, 8), max_size=60), st.integers(1, 20))
def test_pages_as_they_should_be_break_nothing(authors: list[int], limit: int) -> None:
    walk, shown = Walk(RULE), list[int]()
    for start in range(0, len(authors), limit):
        part = authors[start : start + limit]
        arranged = saturate(part, RULE, history=shown, start=start)
        order, relaxed = arranged.order.tolist(), arranged.relaxed.nonzero()[0].tolist()
        served = page(
            [start + row for row in order], start=start, authors=[part[row] for row in order], relaxed=relaxed
        )
        assert walk.follow(served) == []
        shown += [post.author_id for post in served]


def test_a_post_of_an_earlier_page_is_a_repeat_even_pages_later() -> None:
    walk = Walk(RULE)
    assert walk.follow(page([1, 2])) == walk.follow(page([3, 4], start=2)) == []
    assert laws(walk.follow(page([5, 1], start=4))) == [(Law.REPEAT, 1)]


def test_a_post_twice_on_a_page_is_no_dedup() -> None:
    found = Walk(RULE).follow(page([1, 2, 3, 4, 5, 6, 7, 1]))
    assert laws(found) == [(Law.DEDUP, 1)]


@pytest.mark.parametrize("start", [1, 3, 4])
def test_a_position_left_out_or_told_again_is_a_skip(start: int) -> None:
    walk = Walk(RULE)
    walk.follow(page([1, 2]))
    assert laws(walk.follow(page([3, 4], start=start))) == [(Law.SKIP, 3), (Law.SKIP, 4)]


def test_a_first_page_that_does_not_begin_at_zero_is_a_skip() -> None:
    assert laws(Walk(RULE).follow(page([1], start=1))) == [(Law.SKIP, 1)]


def test_an_author_too_near_is_saturation_unless_the_answer_says_so() -> None:
    assert laws(Walk(RULE).follow(page([1, 2], authors=[7, 7]))) == [(Law.SATURATION, 2)]
    assert Walk(RULE).follow(page([1, 2], authors=[7, 7], relaxed=[1])) == []


def test_a_relaxation_is_no_excuse_where_another_post_of_the_page_could_have_stood() -> None:
    assert laws(Walk(RULE).follow(page([1, 2, 3], authors=[7, 7, 8], relaxed=[1]))) == [(Law.SATURATION, 2)]


def test_a_relaxation_that_is_told_and_none_is_saturation_too() -> None:
    assert laws(Walk(RULE).follow(page([1, 2], relaxed=[0]))) == [(Law.SATURATION, 1)]


def test_saturation_is_counted_over_the_pages_of_a_cursor() -> None:
    walk = Walk(RULE)
    walk.follow(page([1, 2], authors=[7, 8]))
    assert laws(walk.follow(page([3, 4, 5], start=2, authors=[9, 7, 10]))) == [(Law.SATURATION, 4)]
    assert walk.follow(page([6, 7], start=5, authors=[11, 12])) == []
    assert laws(walk.follow(page([8], start=7, authors=[11]))) == [(Law.SATURATION, 8)]


def test_what_is_shown_and_forbidden_is_named_with_the_rule() -> None:
    found = by_the_rules([1, 2, 3], None, {2: "blocked", 3: "deleted", 9: "muted"})
    assert found == [Finding(Law.FORBIDDEN, 2, "blocked"), Finding(Law.FORBIDDEN, 3, "deleted")]


def test_what_is_left_out_of_the_stretch_must_be_forbidden() -> None:
    assert by_the_rules([1, 3], [1, 2, 3], {2: "hidden"}) == []
    assert laws(by_the_rules([1, 3], [1, 2, 3], {})) == [(Law.SKIP, 2)]
    assert laws(by_the_rules([], [1], {})) == [(Law.SKIP, 1)]


def test_what_is_shown_comes_from_the_pages_own_stretch_of_the_list() -> None:
    assert laws(by_the_rules([1, 4], [1, 2], {2: "hidden"})) == [(Law.SKIP, 4)]


@law
@given(st.lists(st.integers(1, 40), unique=True), st.sets(st.integers(1, 40)))
def test_a_stretch_without_what_is_forbidden_breaks_nothing(stretch: list[int], gone: set[int]) -> None:
    shown = [post for post in stretch if post not in gone]
    assert by_the_rules(shown, stretch, dict.fromkeys(gone, "deleted")) == []
