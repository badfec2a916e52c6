"""The laws of a served feed, judged from outside: by the answers, by the frozen list, and by what PostgreSQL forbids.

Shares no logic with what serves. One cursor's pages are walked first to last: no post twice, no position left out, the
author rule kept or its relaxation told; and each page is its stretch of the list without what the viewer must not see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from nova_feed.ranking import Saturation, avoidable, violations


class Law(StrEnum):
    """What can be broken; the values name the counts in a report."""

    REPEAT = "repeats"  # a post that an earlier page of the cursor had shown
    DEDUP = "dedup_violations"  # a post twice on one page
    SKIP = "skips"  # a position left out, or a post of the list left out that nothing forbids
    SATURATION = (
        "saturation_violations"  # an author too near or twice at the top, not told or avoidable; or told wrongly
    )
    FORBIDDEN = "forbidden_shown"  # a post that the viewer must not see


@dataclass(frozen=True, slots=True)
class Shown:
    """One post as an answer shows it. ``position`` counts from 0 over all pages of a cursor."""

    post_id: int
    author_id: int
    position: int
    relaxed: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken law: by which post, and what is wrong with it."""

    law: Law
    post_id: int
    what: str


class Walk:
    """The pages of one cursor, judged in their order by what they show alone."""

    def __init__(self, rule: Saturation) -> None:
        self._rule = rule
        self._posts: set[int] = set()
        self._authors: list[int] = []

    def follow(self, page: Sequence[Shown]) -> list[Finding]:
        """What the next page breaks."""
        found = [*self._twice(page), *self._out_of_place(page), *self._saturated(page)]
        self._posts.update(post.post_id for post in page)
        self._authors += [post.author_id for post in page]
        return found

    def _twice(self, page: Sequence[Shown]) -> list[Finding]:
        found, here = [], set[int]()
        for post in page:
            if post.post_id in self._posts:
                found.append(Finding(Law.REPEAT, post.post_id, "shown by an earlier page"))
            if post.post_id in here:
                found.append(Finding(Law.DEDUP, post.post_id, "twice on this page"))
            here.add(post.post_id)
        return found

    def _out_of_place(self, page: Sequence[Shown]) -> list[Finding]:
        return [
            Finding(Law.SKIP, post.post_id, f"position {post.position}, where {expected} was next")
            for expected, post in enumerate(page, len(self._authors))
            if post.position != expected
        ]

    def _saturated(self, page: Sequence[Shown]) -> list[Finding]:
        authors, start = [post.author_id for post in page], len(self._authors)
        broken = set(violations(authors, self._rule, history=self._authors, start=start))
        needless = set(avoidable(authors, self._rule, history=self._authors, start=start))
        found = []
        for place, post in enumerate(page):
            if place in broken and not post.relaxed:
                found.append(Finding(Law.SATURATION, post.post_id, "broken, and not told"))
            elif place in needless:
                found.append(Finding(Law.SATURATION, post.post_id, "relaxed, and others could have stood there"))
            elif post.relaxed and place not in broken:
                found.append(Finding(Law.SATURATION, post.post_id, "told to be relaxed, and is not"))
        return found


def by_the_rules(shown: Sequence[int], stretch: Sequence[int] | None, forbidden: Mapping[int, str]) -> list[Finding]:
    """What a page breaks of the viewer's rules and of its list.

    ``stretch``: the posts of the list that the page was cut from (None: not known); ``forbidden``: post -> why this
    viewer must not see it, of all the posts in either, as of one moment.
    """
    found = [Finding(Law.FORBIDDEN, post, forbidden[post]) for post in shown if post in forbidden]
    if stretch is not None:
        there, here = set(shown), set(stretch)
        found += [
            Finding(Law.SKIP, post, "left out, and nothing forbids it")
            for post in stretch
            if post not in there and post not in forbidden
        ]
        found += [
            Finding(Law.SKIP, post, "not of the page's stretch of the list") for post in shown if post not in here
        ]
    return found
