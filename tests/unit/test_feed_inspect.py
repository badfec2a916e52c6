"""Why a post is, or is not, in a list: the first thing that speaks against it, in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nova_feed.feed.inspect import SENTENCES, Facts, Inspection, Standing, inspect
from nova_feed.ranking import (
    Candidates,
    Ranked,
    Rule,
    Saturation,
    Source,
    ViewerRules,
    Weights,
    rank,
    score_from_payload,
)

NOW, VIEWER = 1_790_000_000_000, 1
FACTS = Facts(
    author_id=9, created_ms=NOW - 3_600_000, followed=True, blocked=False, blocked_by=False, muted=False, hidden=False
)


def ranked(*posts: int, limit: int | None = None) -> Ranked:
    ids = np.array(posts, dtype=np.int64)
    candidates = Candidates.make(post_id=ids, author_id=ids + 100, created_ms=np.full(len(ids), NOW - 1000),
                                 likes=ids, sources=Source.FOLLOWEE)  # fmt: skip
    rules = ViewerRules(VIEWER, muted_authors=np.array([107], dtype=np.int64))
    return rank(candidates, now_ms=NOW, weights=Weights(), rules=rules, saturation=Saturation(), limit=limit)


def asked(
    post: int, facts: Facts | None = FACTS, *, limit: int | None = None, seen: frozenset[int] = frozenset()
) -> Inspection:
    return inspect(ranked(5, 6, 7, limit=limit), None, seen, post, facts, VIEWER)


def test_a_listed_post_comes_with_its_place_and_an_explanation_that_recomputes() -> None:
    found = asked(5)
    assert (found.standing, found.rule, found.position, found.total) == (Standing.LISTED, None, 1, 2)
    assert found.explanation is not None
    assert score_from_payload(found.explanation) == found.explanation["score"]


def test_a_post_shown_again_is_listed_behind_the_others() -> None:
    first, again = ranked(6), ranked(5)
    found = inspect(first, again, frozenset({5}), 5, FACTS, VIEWER)
    assert (found.standing, found.total) == (Standing.LISTED, 2)


@pytest.mark.parametrize(
    ("facts", "rule"),
    [
        (None, Rule.DELETED), (replace(FACTS, author_id=VIEWER), Rule.OWN),
        (replace(FACTS, blocked=True), Rule.BLOCKED),
        (replace(FACTS, muted=True), Rule.MUTED), (replace(FACTS, hidden=True), Rule.HIDDEN),
    ],
)  # fmt: skip
def test_what_postgresql_says_now_goes_before_the_list(facts: Facts | None, rule: Rule) -> None:
    found = asked(5, facts)
    assert (found.standing, found.rule, found.reason, found.explanation) == (
        Standing.REMOVED,
        rule,
        SENTENCES[rule],
        None,
    )


def test_who_blocked_the_viewer_is_not_told() -> None:
    assert asked(5, replace(FACTS, blocked_by=True)) == asked(5, None)
    assert asked(5, replace(FACTS, blocked_by=True, blocked=True)) == asked(5, None)


def test_a_rule_that_removed_a_candidate_is_named() -> None:
    assert asked(7).rule == Rule.MUTED
    assert asked(5, limit=1).rule == Rule.LIMIT
    assert asked(8, seen=frozenset({8})).rule == Rule.SEEN


@pytest.mark.parametrize(
    ("facts", "words"),
    [(FACTS, "whom you follow"), (replace(FACTS, followed=False), "do not follow"),
     (replace(FACTS, created_ms=NOW - 73 * 3_600_000), "older than 72 hours")],
)  # fmt: skip
def test_a_post_that_nobody_proposed_says_what_each_source_looks_for(facts: Facts, words: str) -> None:
    found = asked(8, facts)
    assert (found.standing, found.rule, found.position) == (Standing.NO_CANDIDATE, None, None)
    assert words in found.reason


def test_every_rule_has_its_sentence() -> None:
    assert set(SENTENCES) == set(Rule)
