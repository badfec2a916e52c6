"""Where one post stands in a viewer's feed, and why, or why it does not: asked live, not of a cached list."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import asyncpg

from nova_feed.away import POSTGRES_AWAY
from nova_feed.errors import StoreUnavailableError
from nova_feed.ranking import Ranked, Rule, explain, why_not

HOT_MS = 72 * 3_600_000
_FACTS = """
SELECT p.author_id, (extract(epoch FROM p.created_at) * 1000)::bigint AS created_ms,
    EXISTS (SELECT FROM follows WHERE follower_id = $1 AND followee_id = p.author_id) AS followed,
    EXISTS (SELECT FROM blocks WHERE blocker_id = $1 AND blocked_id = p.author_id) AS blocked,
    EXISTS (SELECT FROM blocks WHERE blocker_id = p.author_id AND blocked_id = $1) AS blocked_by,
    EXISTS (SELECT FROM mutes WHERE muter_id = $1 AND muted_id = p.author_id) AS muted,
    EXISTS (SELECT FROM nova_hidden WHERE user_id = $1 AND post_id = p.id) AS hidden
FROM posts p WHERE p.id = $2
"""
SENTENCES = {
    Rule.OWN: "you wrote it",
    Rule.BLOCKED: "you blocked its author",
    Rule.MUTED: "you muted its author",
    Rule.UNFOLLOWED: "you stopped following its author",
    Rule.DELETED: "there is no such post",
    Rule.HIDDEN: "you hid it",
    Rule.SEEN: "you have seen it within the last 24 hours, and there was enough else to show",
    Rule.NOT_DRAWN: "nothing is known of you yet, and of the new posts that are tried the lot fell on others this hour",
    Rule.LIMIT: "nothing speaks against it, but five hundred others stand before it",
}


class Standing(StrEnum):
    """What became of a post."""

    LISTED = "listed"  # it is in the list
    REMOVED = "removed"  # a rule took it out
    NO_CANDIDATE = "no_candidate"  # no source proposed it


@dataclass(frozen=True, slots=True)
class Inspection:
    """``position`` counts from 0 within the list as ranked now; ``explanation`` is there for a listed post."""

    post_id: int
    standing: Standing
    rule: str | None
    reason: str
    position: int | None
    total: int
    sources: tuple[str, ...]
    explanation: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Facts:
    """What PostgreSQL knows of a post and its author, for one viewer, now."""

    author_id: int
    created_ms: int
    followed: bool
    blocked: bool
    blocked_by: bool
    muted: bool
    hidden: bool


class PostFacts:
    """Reads facts. Raises StoreUnavailableError."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def read(self, viewer_id: int, post_id: int) -> Facts | None:
        """None: there is no such post."""
        try:
            async with self._pool.acquire(timeout=0.5) as connection:
                row = await connection.fetchrow(_FACTS, viewer_id, post_id, timeout=0.5)
        except POSTGRES_AWAY as error:
            raise StoreUnavailableError("postgres", str(error) or type(error).__name__) from error
        return None if row is None else Facts(**row)


def inspect(
    ranked: Ranked, again: Ranked | None, seen: frozenset[int], post_id: int, facts: Facts | None, viewer_id: int
) -> Inspection:
    """Judge one post by a list that was just ranked. ``again``: the rows after it that were shown before; ``seen``:
    candidates that were.

    An author who blocked the viewer is not told of: to the viewer there is no such post.
    """
    total = len(ranked) + (0 if again is None else len(again))
    if facts is None or facts.blocked_by:
        return _removed(post_id, Rule.DELETED, total)
    if (rule := _standing_rule(facts, viewer_id)) is not None:
        return _removed(post_id, rule, total)
    for part in (ranked, again):
        at = None if part is None else part.index_of(post_id)
        if part is not None and at is not None:
            told = explain(part, at)
            return Inspection(post_id, Standing.LISTED, None, f"it stands at position {told.position}", told.position,
                              total, told.inputs.sources, told.as_payload())  # fmt: skip
    if (rule := why_not(ranked, post_id)) is not None:
        return _removed(post_id, rule, total)
    if post_id in seen:
        return _removed(post_id, Rule.SEEN, total)
    return Inspection(post_id, Standing.NO_CANDIDATE, None, _absence(facts, ranked.now_ms), None, total, (), None)


def _standing_rule(facts: Facts, viewer_id: int) -> Rule | None:
    """What PostgreSQL says now goes before what the list was ranked from."""
    verdicts = ((facts.author_id == viewer_id, Rule.OWN), (facts.blocked, Rule.BLOCKED), (facts.muted, Rule.MUTED),
                (facts.hidden, Rule.HIDDEN))  # fmt: skip
    return next((rule for broken, rule in verdicts if broken), None)


def _removed(post_id: int, rule: Rule, total: int) -> Inspection:
    return Inspection(post_id, Standing.REMOVED, rule.value, SENTENCES[rule], None, total, (), None)


def _absence(facts: Facts, now_ms: int) -> str:
    old = now_ms - facts.created_ms > HOT_MS
    affine = "its author is not among the 40 you interact with most, or has 20 newer posts"
    if old:
        return f"no source proposes it: it is older than 72 hours, and {affine}"
    followed = (
        "it is among the newest of its author, whom you follow, but 500 others are newer, or it is not yet counted"
        if facts.followed
        else "you do not follow its author, it is not among the 200 that trend"
    )
    return f"no source proposes it: {followed}, and {affine}"
