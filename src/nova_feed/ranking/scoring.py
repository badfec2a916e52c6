"""The score of a candidate: three signals, three weights, and a sum that is exact.

    score = w_f * exp(-decay * age_h)  +  w_e * log1p((likes + 2 comments + 3 shares) / max(1, exposures))
          + w_a * log1p(interactions)                                                        (task list T040)

**Why terms lie on a grid.** A score is explained by its three terms, and the terms must add up to it bit for bit, for
anybody, in any order of addition. Sums of float64 do not do that in general: every addition rounds. So each term is
rounded once to a multiple of 2**-32, and everything after it is exact. The proof: weights are at most 2**13, and the
largest log1p of a ratio of 64-bit counts is log1p((1 + 2 * 2**13) * 2**63) < 54, so a term is below 2**19 and any sum
of terms below 2**21. A multiple of 2**-32 below 2**21 has at most 53 significant bits, which float64 holds exactly.
The price is a resolution of 2.3e-10, far below what any signal means.

``np.exp`` and ``np.log1p`` answer the same for an element whatever array it stands in, so a score can be recomputed
alone. Two machines with different mathematical libraries may differ in a last bit before the rounding; after it, they
agree but for about one term in 10**7, which then differs by 2**-32.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from nova_feed.ranking.arrays import INT64_MAX, INT64_MIN

if TYPE_CHECKING:
    from nova_feed.ranking.arrays import Ints, Reals, Rows
    from nova_feed.ranking.candidates import Candidates

GRID = 2.0**32
"""Terms and scores are multiples of 1 / GRID."""

LARGEST_WEIGHT = 2.0**13
"""No weight may be larger; the exactness of sums rests on it (see above)."""

_MS_PER_HOUR = 3_600_000.0
_NUMBERS = ("freshness", "engagement", "affinity", "decay_per_hour", "comment_weight", "share_weight")


@dataclass(frozen=True, slots=True)
class Weights:
    """The numbers of the formula, and the name under which a team knows this set of them.

    Raises ValueError unless every number is within 0..8192 and one of the first three is above 0.
    """

    freshness: float = 0.30
    engagement: float = 0.40
    affinity: float = 0.30
    decay_per_hour: float = 0.1
    comment_weight: float = 2.0
    share_weight: float = 3.0
    version: str = "default"

    def __post_init__(self) -> None:
        for name in _NUMBERS:
            value = getattr(self, name)
            if not 0.0 <= value <= LARGEST_WEIGHT:
                raise ValueError(f"weights: {name} is {value!r}; it must be a number from 0 to {LARGEST_WEIGHT:.0f}")
        if not (self.freshness or self.engagement or self.affinity):
            raise ValueError("weights: freshness, engagement and affinity are all 0; every post would score the same")


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Signals, terms and their sum, one row per candidate.

    ``age_ms`` >= 0. ``freshness`` is in 0..1, ``engagement`` and ``affinity`` are >= 0. Each ``*_term`` is weight times
    signal, rounded to the grid, and ``total`` is exactly the three terms together. Nothing is ever NaN or infinite.
    """

    age_ms: Ints
    freshness: Reals
    engagement: Reals
    affinity: Reals
    freshness_term: Reals
    engagement_term: Reals
    affinity_term: Reals
    total: Reals

    def take(self, rows: Rows) -> Scores:
        """The rows asked for, in that order."""
        return Scores(*[getattr(self, name)[rows] for name in _NAMES])


_NAMES = tuple(field.name for field in fields(Scores))


def score(candidates: Candidates, now_ms: int, weights: Weights) -> Scores:
    """Score every candidate as of ``now_ms`` (UTC milliseconds, int64). Rows do not influence each other."""
    age_ms = _age_ms(candidates.created_ms, now_ms)
    freshness = np.exp(-weights.decay_per_hour * (age_ms / _MS_PER_HOUR))
    engagement = _engagement(candidates, weights)
    affinity = np.log1p(candidates.interactions.astype(np.float64))
    freshness_term = _on_grid(weights.freshness * freshness)
    engagement_term = _on_grid(weights.engagement * engagement)
    affinity_term = _on_grid(weights.affinity * affinity)
    total = freshness_term + engagement_term + affinity_term
    return Scores(age_ms, freshness, engagement, affinity, freshness_term, engagement_term, affinity_term, total)


def rank_order(scores: Scores, candidates: Candidates) -> Ints:
    """Row numbers from best to worst: by total, then the newer post, then the larger post_id. A total order."""
    order = np.argsort(scores.total)[::-1]
    total = scores.total[order]
    same = total[1:] == total[:-1]
    if same.any():  # few, as a rule: three keys for all of them take eight times as long
        tied = np.flatnonzero(np.append(same, False) | np.append(False, same))
        rows = order[tied]
        by_all = np.lexsort((candidates.post_id[rows], candidates.created_ms[rows], scores.total[rows]))
        order[tied] = rows[by_all[::-1]]
    return order


def _age_ms(created_ms: Ints, now_ms: int) -> Ints:
    """Age, at least 0 (a post from the future is new) and at most 2**63 - 1, so that nothing overflows."""
    oldest = max(now_ms - INT64_MAX, INT64_MIN)
    return now_ms - np.maximum(np.minimum(created_ms, now_ms), oldest)


def _engagement(candidates: Candidates, weights: Weights) -> Reals:
    # To float64 before any arithmetic: three counts near 2**62 would overflow as integers.
    likes = candidates.likes.astype(np.float64)
    comments = candidates.comments.astype(np.float64)
    shares = candidates.shares.astype(np.float64)
    actions = likes + weights.comment_weight * comments + weights.share_weight * shares
    return np.log1p(actions / np.maximum(candidates.exposures, 1))


def _on_grid(term: Reals) -> Reals:
    return np.rint(term * GRID) / GRID
