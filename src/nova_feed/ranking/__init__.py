"""Step 5 of 7. Reads one viewer's candidates, the rules about that viewer and a moment; writes a ranked list.

Pure: no I/O, no clock, no randomness, no settings. ``pipeline`` is the place to start reading; its stages are
``candidates`` (merge), ``scoring``, ``exclusion`` and ``diversity``. ``explanation`` says why a post stands where it
stands, ``audit`` judges a list from outside.
"""

from nova_feed.ranking.audit import lawful, violations
from nova_feed.ranking.candidates import (
    AFFINITY_REACH,
    FOLLOWEE_REACH,
    TRENDING_REACH,
    Candidates,
    Reach,
    Source,
    merge,
)
from nova_feed.ranking.diversity import Arrangement, Saturation, saturate
from nova_feed.ranking.exclusion import Removed, Rule, ViewerRules, exclude
from nova_feed.ranking.explanation import Explanation, explain, score_from_payload
from nova_feed.ranking.pipeline import Ranked, StageCount, rank, why_not
from nova_feed.ranking.scoring import Scores, Weights, rank_order, score

__all__ = [
    "AFFINITY_REACH",
    "FOLLOWEE_REACH",
    "TRENDING_REACH",
    "Arrangement",
    "Candidates",
    "Explanation",
    "Ranked",
    "Reach",
    "Removed",
    "Rule",
    "Saturation",
    "Scores",
    "Source",
    "StageCount",
    "ViewerRules",
    "Weights",
    "exclude",
    "explain",
    "lawful",
    "merge",
    "rank",
    "rank_order",
    "saturate",
    "score",
    "score_from_payload",
    "violations",
    "why_not",
]
