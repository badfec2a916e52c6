"""Posts that must not reach this viewer, each with the rule that removed it.

A post may break several rules; the first in the order of ``Rule`` is the one named. A row that merely repeats a post
breaks none: ``merge`` folds it into the post, and the post stays.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import TYPE_CHECKING, Self

import numpy as np
import numpy.typing as npt

from nova_feed.ranking.arrays import among

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_feed.ranking.arrays import Flags, Ints
    from nova_feed.ranking.candidates import Candidates


class Rule(StrEnum):
    """Why a post is not in the list. The order is the order of precedence, and part of the contract."""

    OWN = "own"  # the viewer wrote it
    BLOCKED = "blocked"  # viewer and author do not see each other
    MUTED = "muted"  # the viewer muted the author
    UNFOLLOWED = "unfollowed"  # the viewer stopped following the author, so no source may bring him back
    DELETED = "deleted"  # the post is gone
    HIDDEN = "hidden"  # the viewer hid the post
    SEEN = "seen"  # the viewer has had the post
    NOT_DRAWN = "not_drawn"  # only exploration proposes the post, and the lot fell on others
    LIMIT = "limit"  # nothing against it, but the list was full


_RULES = tuple(Rule)
_CODE = {rule: code for code, rule in enumerate(_RULES)}
_KEPT = len(_RULES)


def _none() -> Ints:
    return np.empty(0, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class ViewerRules:
    """What one viewer must not be shown: ids in any order, as 1-D int64 arrays. Nobody writes into them.

    ``blocked_authors`` holds both directions: whom the viewer blocked and who blocked the viewer. An author who was
    followed again is not in ``unfollowed_authors``; the caller sees to that.
    Raises ValueError, naming the field, for an array of another type or shape: ids compared as float64 would let a
    blocked author through.
    """

    viewer_id: int
    blocked_authors: Ints = field(default_factory=_none)
    muted_authors: Ints = field(default_factory=_none)
    unfollowed_authors: Ints = field(default_factory=_none)
    deleted_posts: Ints = field(default_factory=_none)
    hidden_posts: Ints = field(default_factory=_none)
    seen_posts: Ints = field(default_factory=_none)

    def __post_init__(self) -> None:
        for name in _LISTS:
            ids = getattr(self, name)
            if ids.dtype != np.int64 or ids.ndim != 1:
                raise ValueError(
                    f"viewer rules: {name} is {ids.dtype} of shape {ids.shape}; it must be int64 of one dimension"
                )


_LISTS = tuple(field.name for field in fields(ViewerRules) if field.name != "viewer_id")


@dataclass(frozen=True, slots=True, eq=False)
class Removed:
    """Posts that were taken out, and the rule that did it (``code`` counts in the order of ``Rule``)."""

    post_id: Ints
    code: npt.NDArray[np.uint8]

    @classmethod
    def by(cls, rule: Rule, post_id: Ints) -> Self:
        """All these posts, removed by one rule."""
        return cls(post_id, np.full(len(post_id), _CODE[rule], dtype=np.uint8))

    @classmethod
    def concat(cls, parts: Sequence[Removed]) -> Self:
        """The rows of one or more parts, one part after the other."""
        return cls(np.concatenate([p.post_id for p in parts]), np.concatenate([p.code for p in parts]))

    def rule_of(self, post_id: int) -> Rule | None:
        """The rule that removed this post; None when it was not removed."""
        rows = np.flatnonzero(self.post_id == post_id)
        return _RULES[self.code[rows[0]]] if len(rows) else None

    def counts(self) -> dict[Rule, int]:
        """How many posts each rule removed; rules that removed none are 0."""
        per_code = np.bincount(self.code, minlength=len(_RULES))
        return {rule: int(count) for rule, count in zip(_RULES, per_code, strict=True)}

    def __len__(self) -> int:
        return len(self.post_id)


def exclude(candidates: Candidates, rules: ViewerRules) -> tuple[Flags, Removed]:
    """Which rows are kept (a mask over the candidates), and the others with their rule, in the candidates' order."""
    code = np.full(len(candidates), _KEPT, dtype=np.uint8)
    for rule, breaks_it in reversed(_verdicts(candidates, rules)):
        code[breaks_it] = _CODE[rule]
    kept = code == _KEPT
    return kept, Removed(candidates.post_id[~kept], code[~kept])


def _verdicts(candidates: Candidates, rules: ViewerRules) -> tuple[tuple[Rule, Flags], ...]:
    """For every rule, in order of precedence, the rows that break it."""
    author, post = candidates.author_id, candidates.post_id
    return (
        (Rule.OWN, author == rules.viewer_id),
        (Rule.BLOCKED, among(author, rules.blocked_authors)),
        (Rule.MUTED, among(author, rules.muted_authors)),
        (Rule.UNFOLLOWED, among(author, rules.unfollowed_authors)),
        (Rule.DELETED, among(post, rules.deleted_posts)),
        (Rule.HIDDEN, among(post, rules.hidden_posts)),
        (Rule.SEEN, among(post, rules.seen_posts)),
    )
