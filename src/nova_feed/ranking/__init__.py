"""Step 5 of 7. Reads one viewer's candidates, the rules about that viewer and a moment; writes a ranked list.

Pure: no I/O, no clock, no randomness, no settings. ``pipeline`` is the place to start reading; its stages are
``candidates`` (merge), ``scoring``, ``exclusion`` and ``diversity``. ``explanation`` says why a post stands where it
stands, ``audit`` judges a list from outside. Beside it, ``trending`` and ``suggesting`` make the two other lists.
"""

from nova_feed.ranking.arrays import among
from nova_feed.ranking.audit import avoidable, lawful, violations
from nova_feed.ranking.candidates import (
    AFFINITY_REACH,
    COLUMNS,
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
from nova_feed.ranking.suggesting import Hint, Kind, Reason, Suggestion, is_cold, merge_hints, sentence, standing
from nova_feed.ranking.trending import Shown, engagement, show, trend

__all__ = [
    "AFFINITY_REACH",
    "COLUMNS",
    "FOLLOWEE_REACH",
    "TRENDING_REACH",
    "Arrangement",
    "Candidates",
    "Explanation",
    "Hint",
    "Kind",
    "Ranked",
    "Reach",
    "Reason",
    "Removed",
    "Rule",
    "Saturation",
    "Scores",
    "Shown",
    "Source",
    "StageCount",
    "Suggestion",
    "ViewerRules",
    "Weights",
    "among",
    "avoidable",
    "engagement",
    "exclude",
    "explain",
    "is_cold",
    "lawful",
    "merge",
    "merge_hints",
    "rank",
    "rank_order",
    "saturate",
    "score",
    "score_from_payload",
    "sentence",
    "show",
    "standing",
    "trend",
    "violations",
    "why_not",
]
