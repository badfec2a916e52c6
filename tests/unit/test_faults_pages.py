"""The judge of pages finds what a reader must not get: each law, broken once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.faults.pages import Reading, take

PAGE: dict[str, Any] = {
    "posts": [{"post_id": post, "author_id": 100 + post, "position": post} for post in range(5)],
    "source": "ranked", "fallback": False, "reason": None, "cache_hit": False, "as_of": "now", "cursor": "next",
}  # fmt: skip
LATER = PAGE | {
    "posts": [{"post_id": post, "author_id": 100 + post % 4, "position": post} for post in range(5, 9)],
    "source": "cached", "cache_hit": True, "cursor": None,
}  # fmt: skip


def first() -> Reading:
    reading, wrong = take(PAGE, None, {1})
    assert not wrong
    return reading


def with_post(page: dict[str, Any], place: int, **changed: int) -> dict[str, Any]:
    posts = [dict(post) for post in page["posts"]]
    posts[place] |= changed
    return page | {"posts": posts}


def test_pages_that_follow_on_are_one_reading_and_nothing_is_wrong_with_them() -> None:
    reading, wrong = take(LATER, first(), {1})
    assert (wrong, reading.posts, reading.cursor, len(reading.authors)) == ([], set(range(9)), None, 9)


@pytest.mark.parametrize(
    ("page", "what"),
    [
        (with_post(LATER, 1, post_id=5), "a post twice"),
        (with_post(LATER, 1, post_id=0), "a post twice"),
        (with_post(LATER, 0, position=6), "places"),
        (with_post(LATER, 0, author_id=104), "an author too often"),
        (with_post(LATER, 1, author_id=101), "an author too often"),
        (LATER | {"as_of": "later"}, "another list"),
        (LATER | {"fallback": True, "source": "timeline", "reason": "clickhouse: away"}, "another list"),
        (LATER | {"source": "timeline"}, "labels"),
        (LATER | {"reason": "clickhouse: away"}, "labels"),
        (LATER | {"cache_hit": False}, "labels"),
    ],
)
def test_each_fault_of_a_later_page_is_named(page: dict[str, Any], what: str) -> None:
    _, wrong = take(page, first(), set())
    assert [told for told in wrong if told.startswith(what)], wrong


def test_an_author_who_is_blocked_is_named() -> None:
    _, wrong = take(PAGE, None, {102})
    assert wrong == ["author 102, who is blocked or muted"]


def test_a_first_page_may_stand_in_if_it_says_why() -> None:
    page = PAGE | {"source": "timeline", "fallback": True}
    assert take(page, None, set())[1]
    assert not take(page | {"reason": "clickhouse: away"}, None, set())[1]
