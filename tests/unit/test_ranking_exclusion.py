"""What a viewer must not see, and the rule that says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.ranking import Removed, Rule, ViewerRules, exclude
from tests.unit.test_ranking_candidates import Row, any_rows, from_rows, law, to_rows


def ids(*values: int) -> Any:
    return np.array(values, dtype=np.int64)


author_lists = st.lists(st.integers(1, 6), max_size=3).map(lambda values: ids(*values))
post_lists = st.lists(st.integers(1, 25), max_size=6).map(lambda values: ids(*values))
viewer_rules = st.builds(
    ViewerRules,
    st.integers(1, 6),
    author_lists,
    author_lists,
    author_lists,
    post_lists,
    post_lists,
    post_lists,
)


def rule_by_words(rules: ViewerRules, post_id: int, author_id: int) -> Rule | None:
    """The rule, read from the definitions one by one."""
    broken = {
        Rule.OWN: author_id == rules.viewer_id,
        Rule.BLOCKED: author_id in rules.blocked_authors.tolist(),
        Rule.MUTED: author_id in rules.muted_authors.tolist(),
        Rule.UNFOLLOWED: author_id in rules.unfollowed_authors.tolist(),
        Rule.DELETED: post_id in rules.deleted_posts.tolist(),
        Rule.HIDDEN: post_id in rules.hidden_posts.tolist(),
        Rule.SEEN: post_id in rules.seen_posts.tolist(),
    }
    return next((rule for rule in Rule if broken.get(rule)), None)


@law
@given(any_rows, viewer_rules)
def test_the_first_rule_that_a_post_breaks_is_named(rows: list[Row], rules: ViewerRules) -> None:
    kept, removed = exclude(from_rows(rows), rules)
    expected = [(row[0], rule_by_words(rules, row[0], row[1])) for row in rows]
    assert kept.tolist() == [rule is None for _, rule in expected]
    assert removed.post_id.tolist() == [post for post, rule in expected if rule]
    assert [list(Rule)[code] for code in removed.code] == [rule for _, rule in expected if rule]


@law
@given(any_rows, viewer_rules)
def test_excluding_what_is_left_removes_nothing(rows: list[Row], rules: ViewerRules) -> None:
    candidates = from_rows(rows)
    kept, _ = exclude(candidates, rules)
    left = candidates.take(kept)
    again, removed = exclude(left, rules)
    assert again.all()
    assert len(removed) == 0
    assert to_rows(left) == [row for row in to_rows(candidates) if not rule_by_words(rules, row[0], row[1])]


def test_a_viewer_without_rules_misses_only_his_own_posts() -> None:
    candidates = from_rows([(1, 7, 0, 0, 0, 0, 0, 0, 1), (2, 8, 0, 0, 0, 0, 0, 0, 1)])
    kept, removed = exclude(candidates, ViewerRules(viewer_id=7))
    assert kept.tolist() == [False, True]
    assert removed.rule_of(1) is Rule.OWN
    assert removed.rule_of(2) is None


def test_neighbouring_ids_beyond_the_reach_of_floats_are_told_apart() -> None:
    big = 2**62
    candidates = from_rows([(big + i, 7, 0, 0, 0, 0, 0, 0, 1) for i in range(3)])
    kept, _ = exclude(candidates, ViewerRules(viewer_id=1, seen_posts=ids(big + 1)))
    assert kept.tolist() == [True, False, True]


def test_removed_posts_are_counted_by_rule() -> None:
    removed = Removed.concat([Removed.by(Rule.SEEN, ids(1, 2)), Removed.by(Rule.LIMIT, ids(3))])
    assert removed.counts() == dict.fromkeys(Rule, 0) | {Rule.SEEN: 2, Rule.LIMIT: 1}


@pytest.mark.parametrize("wrong", [np.array([1.0]), np.array([[1]]), np.array([1], dtype=np.int32), np.array([])])
def test_ids_that_are_not_a_row_of_int64_are_refused_by_name(wrong: Any) -> None:
    with pytest.raises(ValueError, match="viewer rules: blocked_authors is"):
        ViewerRules(viewer_id=1, blocked_authors=wrong)
