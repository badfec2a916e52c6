"""Why a post stands where it stands: every number that went in, the terms that add up to the score, and the move.

The payload is complete: whoever holds it can recompute the score from its inputs and weights, and get the same bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from nova_feed.ranking.candidates import Candidates, Source
from nova_feed.ranking.scoring import Weights, score

if TYPE_CHECKING:
    from nova_feed.ranking.pipeline import Ranked

Payload = Mapping[str, Any]
"""What ``Explanation.as_payload`` makes, before or after a journey through JSON."""

_COLUMNS = ("post_id", "author_id", "created_ms", "likes", "comments", "shares", "exposures", "interactions")


@dataclass(frozen=True, slots=True)
class Inputs:
    """What was known about the post and the pair. Times in milliseconds; counts as in ``Candidates``."""

    post_id: int
    author_id: int
    created_ms: int
    likes: int
    comments: int
    shares: int
    exposures: int
    interactions: int
    age_ms: int
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parts:
    """One number for each part of the formula."""

    freshness: float
    engagement: float
    affinity: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """One post of a ranked list. ``score`` is the sum of ``terms``, bit for bit, in any order of addition.

    Positions count from 0: ``rank_before`` is the one the score alone would have given, ``position`` the final one.
    ``relaxed``: no post was admissible at this position, so the saturation rule gave way. ``propensity``: the
    probability with which the lot chose the post, 0 when its score did.
    """

    inputs: Inputs
    weights: Weights
    signals: Parts
    terms: Parts
    score: float
    rank_before: int
    position: int
    relaxed: bool
    propensity: float
    as_of_ms: int

    def as_payload(self) -> dict[str, Any]:
        """The same as nested dicts of numbers, strings and lists: equal to itself after a journey through JSON."""
        payload = asdict(self)
        payload["inputs"]["sources"] = list(self.inputs.sources)
        return payload


def explain(ranked: Ranked, i: int) -> Explanation:
    """Explain the post in row ``i`` of the list. Raises IndexError when there is no such row."""
    if not 0 <= i < len(ranked):
        raise IndexError(f"explain: row {i} of a list of {len(ranked)}")
    scores = ranked.scores
    return Explanation(
        inputs=_inputs(ranked, i),
        weights=ranked.weights,
        signals=Parts(float(scores.freshness[i]), float(scores.engagement[i]), float(scores.affinity[i])),
        terms=Parts(float(scores.freshness_term[i]), float(scores.engagement_term[i]), float(scores.affinity_term[i])),
        score=float(scores.total[i]),
        rank_before=int(ranked.rank_before[i]),
        position=ranked.start + i,
        relaxed=bool(ranked.relaxed[i]),
        propensity=float(ranked.propensity[i]),
        as_of_ms=ranked.now_ms,
    )


def score_from_payload(payload: Payload) -> float:
    """The score, computed anew from the payload's inputs, weights and moment alone, by the ranker's own functions.

    Raises KeyError for a payload with a part missing, ValueError or TypeError for one that was never made here.
    """
    inputs = payload["inputs"]
    columns = {name: [inputs[name]] for name in _COLUMNS}
    candidates = Candidates.make(**columns, sources=sum(Source[name] for name in inputs["sources"]))
    return float(score(candidates, payload["as_of_ms"], Weights(**payload["weights"])).total[0])


def _inputs(ranked: Ranked, i: int) -> Inputs:
    columns = {name: int(getattr(ranked.candidates, name)[i]) for name in _COLUMNS}
    bits = Source(int(ranked.candidates.sources[i]))
    return Inputs(**columns, age_ms=int(ranked.scores.age_ms[i]), sources=tuple(s.name for s in bits if s.name))
