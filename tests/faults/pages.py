"""What a reader may expect of a page, judged from what readers get alone. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from nova_feed.ranking import Saturation
from nova_feed.ranking.audit import lawful

Page = Mapping[str, Any]
RULE = Saturation()


@dataclass
class Reading:
    """One viewer on the way through one list: what was shown so far, and where to go on (None: that was all)."""

    as_of: str
    fallback: bool
    posts: set[int] = field(default_factory=set)
    authors: list[int] = field(default_factory=list)
    cursor: str | None = None


def take(page: Page, reading: Reading | None, forbidden: Collection[int]) -> tuple[Reading, list[str]]:
    """Read one page, the first of a list when there is no ``reading`` yet; returns where the viewer stands then, and
    what is wrong with the page. ``forbidden`` are the authors this viewer must not be shown."""
    at = reading or Reading(page["as_of"], page["fallback"])
    posts = [post["post_id"] for post in page["posts"]]
    authors = [post["author_id"] for post in page["posts"]]
    places = [post["position"] for post in page["posts"]]
    wrong = [
        *(["a post twice"] * (len(set(posts)) < len(posts) or not at.posts.isdisjoint(posts))),
        *(["places that do not follow on"] * (places != list(range(len(at.authors), len(at.authors) + len(posts))))),
        *(["an author too often"] * (not lawful(authors, RULE, history=at.authors, start=len(at.authors)))),
        *(f"author {author}, who is blocked or muted" for author in sorted(set(authors) & set(forbidden))),
        *(["another list than before"] * ((at.as_of, at.fallback) != (page["as_of"], page["fallback"]))),
        *_labels(page, first=reading is None),
    ]
    return Reading(at.as_of, at.fallback, at.posts | set(posts), at.authors + authors, page["cursor"]), wrong


def _labels(page: Page, *, first: bool) -> list[str]:
    """A ranked list is ranked or cached, without a reason; a timeline stands in for one, and says why."""
    source, fallback, reason = page["source"], page["fallback"], page["reason"]
    good = (source == "timeline") == fallback == (reason is not None)
    if not first or source == "cached":
        good = good and page["cache_hit"]
    return [] if good else [f"labels that do not agree: {source}, fallback {fallback}, {reason}"]
