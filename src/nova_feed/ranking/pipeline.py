"""From candidates to a ranked list: the stages, in the order in which they run.

    merge     one row per post                               (duplicate rows are folded, no post is removed)
    score     three signals, three terms, one total
    exclude   what this viewer must not see                  (removed, each with its rule)
    order     by total, newer, larger id
    explore   for cold viewers: some places by lot           (removed, Rule.NOT_DRAWN)
    saturate  no author crowds the list                      (moved, never removed)
    cut       to the length asked for                        (removed, Rule.LIMIT)

Scores depend on viewer, post and moment alone: exclusion and saturation come after, so that scores can be cached.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nova_feed.ranking.candidates import Source, merge
from nova_feed.ranking.diversity import saturate
from nova_feed.ranking.exclusion import Removed, Rule, exclude
from nova_feed.ranking.exploration import Blend, blend
from nova_feed.ranking.scoring import rank_order, score

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_feed.ranking.arrays import Flags, Ints, Reals
    from nova_feed.ranking.candidates import Candidates
    from nova_feed.ranking.diversity import Saturation
    from nova_feed.ranking.exclusion import ViewerRules
    from nova_feed.ranking.scoring import Scores, Weights


@dataclass(frozen=True, slots=True)
class StageCount:
    """What went into a stage that can shorten the list, and what came out of it."""

    stage: str
    entered: int
    kept: int

    @property
    def removed(self) -> int:
        """Rows that did not come out."""
        return self.entered - self.kept


@dataclass(frozen=True, slots=True, eq=False)
class Ranked:
    """The list, best place first, with everything it takes to explain it.

    ``candidates``, ``scores``, ``rank_before``, ``relaxed`` and ``propensity`` have one row per post of the list.
    ``rank_before`` is the position the score alone (or the lot) would have given, counted as the final one is: from
    ``start``, over the posts that were not excluded. ``propensity`` is the probability with which the lot chose the
    post, 0 where its score decided. Kept and removed posts together are exactly the merged candidates.
    """

    candidates: Candidates
    scores: Scores
    rank_before: Ints
    relaxed: Flags
    propensity: Reals
    removed: Removed
    now_ms: int
    weights: Weights
    start: int
    counts: tuple[StageCount, ...]

    def __len__(self) -> int:
        return len(self.candidates)

    def index_of(self, post_id: int) -> int | None:
        """The row of a post in the list; None when it is not in it."""
        rows = np.flatnonzero(self.candidates.post_id == post_id)
        return int(rows[0]) if len(rows) else None


def rank(
    candidates: Candidates,
    *,
    now_ms: int,
    weights: Weights,
    rules: ViewerRules,
    saturation: Saturation,
    history: Ints | Sequence[int] = (),
    start: int = 0,
    limit: int | None = None,
    seed: int | None = None,
) -> Ranked:
    """Rank one viewer's candidates as of ``now_ms``. The answer does not depend on the order of the rows.

    ``history`` and ``start`` continue a list already begun (see ``saturate``). ``limit`` is the number of posts kept,
    None for all. With a ``seed``, posts that exploration alone proposes stand where the lot puts them (see ``blend``).
    Raises ValueError for a negative limit.
    """
    if limit is not None and limit < 0:
        raise ValueError(f"rank: limit is {limit}; it must be at least 0")
    merged = merge(candidates)
    scores = score(merged, now_ms, weights)
    allowed, excluded = exclude(merged, rules)
    order = rank_order(scores, merged)
    by_score = order[allowed[order]]
    blended = _explore(merged, by_score, seed)
    order = blended.order
    length = len(order) if limit is None else limit
    arranged = saturate(merged.author_id[order], saturation, history=history, start=start, places=length)
    kept, cut = arranged.order[:length], arranged.order[length:]
    left = Removed.by(Rule.NOT_DRAWN, merged.post_id[blended.left])
    removed = Removed.concat([excluded, left, Removed.by(Rule.LIMIT, merged.post_id[order[cut]])])
    return Ranked(
        candidates=merged.take(order[kept]),
        scores=scores.take(order[kept]),
        rank_before=kept + start,
        relaxed=arranged.relaxed[:length],
        propensity=np.where(blended.drawn[kept], blended.propensity, 0.0),
        removed=removed,
        now_ms=now_ms,
        weights=weights,
        start=start,
        counts=(
            StageCount("merge", len(candidates), len(merged)),
            StageCount("exclude", len(merged), len(by_score)),
            StageCount("explore", len(by_score), len(order)),
            StageCount("cut", len(order), len(kept)),
        ),
    )


def _explore(merged: Candidates, by_score: Ints, seed: int | None) -> Blend:
    """Places by lot for what exploration alone proposes; without a seed none."""
    if seed is None:
        return Blend(by_score, by_score[:0], 0.0, np.zeros(len(by_score), dtype=np.bool_))
    return blend(by_score, merged.sources == Source.EXPLORATION, merged.post_id, seed)


def why_not(ranked: Ranked, post_id: int) -> Rule | None:
    """The first rule that removed the post. None: it was no candidate, or it is in the list (``Ranked.index_of``)."""
    return ranked.removed.rule_of(post_id)
