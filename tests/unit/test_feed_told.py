"""What a ranking tells of itself adds up."""

from __future__ import annotations

import numpy as np
from prometheus_client import REGISTRY

from nova_feed.feed.told import tell_ranking
from nova_feed.ranking import Candidates, Ranked, Saturation, Source, ViewerRules, Weights, rank

STAGES = ("seen", "merge", "exclude", "cut")


def ranked(posts: list[int], blocked: list[int], limit: int) -> Ranked:
    ids = np.array(posts, dtype=np.int64)
    candidates = Candidates.make(post_id=ids, author_id=ids, created_ms=ids * 0, sources=Source.FOLLOWEE)
    rules = ViewerRules(999, blocked_authors=np.array(blocked, dtype=np.int64))
    weights = Weights(0.3, 0.4, 0.3)
    return rank(candidates, now_ms=1, weights=weights, rules=rules, saturation=Saturation(), limit=limit)


def counted() -> dict[tuple[str, str], float]:
    return {
        (stage, result): REGISTRY.get_sample_value(
            "nova_feed_ranking_posts_total", {"stage": stage, "result": result}
        ) or 0.0
        for stage in STAGES for result in ("in", "kept", "removed")
    }  # fmt: skip


def removed(kind: str) -> float:
    return REGISTRY.get_sample_value("nova_feed_dedup_posts_removed_total", {"kind": kind}) or 0.0


def test_what_went_in_was_kept_or_removed_and_goes_into_the_next_stage() -> None:
    before, duplicates, seen = counted(), removed("duplicate"), removed("seen")
    tell_ranking(ranked([1, 1, 2, 3, 4, 5], blocked=[2], limit=3), had=4, again=None, seconds=0.001)
    now = {key: value - before[key] for key, value in counted().items()}
    assert [(now[stage, "in"], now[stage, "kept"], now[stage, "removed"]) for stage in STAGES] == [
        (10, 6, 4), (6, 5, 1), (5, 4, 1), (4, 3, 1),
    ]  # fmt: skip
    assert (removed("duplicate") - duplicates, removed("seen") - seen) == (1, 4)


def test_posts_shown_again_for_want_of_others_were_not_removed() -> None:
    seen, again = removed("seen"), ranked([7, 8], blocked=[], limit=3)
    tell_ranking(ranked([1], blocked=[], limit=3), had=2, again=again, seconds=0.001)
    assert removed("seen") == seen
