"""The whole path from candidates to a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.ranking import (
    Candidates,
    Ranked,
    Rule,
    Saturation,
    Source,
    ViewerRules,
    Weights,
    exclude,
    lawful,
    merge,
    rank,
    violations,
    why_not,
)
from tests.unit.test_ranking_candidates import NOW, Row, any_rows, from_rows, law, small_rows, to_rows
from tests.unit.test_ranking_exclusion import viewer_rules

limits = st.none() | st.integers(0, 30)
NOBODY = ViewerRules(viewer_id=-1)


def ranked(rows: Sequence[Row], rules: ViewerRules = NOBODY, **options: Any) -> Ranked:
    fixed: dict[str, Any] = {"now_ms": NOW, "weights": Weights(), "saturation": Saturation()}
    return rank(from_rows(rows), rules=rules, **(fixed | options))


@law
@given(any_rows, viewer_rules, limits)
def test_nothing_is_lost_kept_and_removed_are_the_merged_input(
    rows: list[Row], rules: ViewerRules, limit: int | None
) -> None:
    result = ranked(rows, rules, limit=limit)
    together = result.candidates.post_id.tolist() + result.removed.post_id.tolist()
    assert sorted(together) == sorted({row[0] for row in rows})
    merged = to_rows(merge(from_rows(rows)))
    assert all(row in merged for row in to_rows(result.candidates))


@law
@given(any_rows, viewer_rules, limits, st.randoms(use_true_random=False))
def test_the_list_does_not_depend_on_the_order_of_the_input(
    rows: list[Row], rules: ViewerRules, limit: int | None, random: Any
) -> None:
    one = ranked(rows, rules, limit=limit)
    other = ranked(random.sample(rows, len(rows)), rules, limit=limit)
    assert to_rows(one.candidates) == to_rows(other.candidates)
    assert one.scores.total.tobytes() == other.scores.total.tobytes()
    assert one.relaxed.tolist() == other.relaxed.tolist()
    assert one.removed.post_id.tolist() == other.removed.post_id.tolist()
    assert one.removed.code.tolist() == other.removed.code.tolist()


@law
@given(small_rows, viewer_rules, st.lists(st.integers(1, 6), max_size=8), st.integers(0, 8))
def test_saturation_holds_in_the_list_or_is_lawfully_relaxed(
    rows: list[Row], rules: ViewerRules, history: list[int], start: int
) -> None:
    result = ranked(rows, rules, history=history, start=start)
    authors = result.candidates.author_id.tolist()
    assert lawful(authors, Saturation(), history=history, start=start)
    broken = violations(authors, Saturation(), history=history, start=start)
    assert broken == np.flatnonzero(result.relaxed).tolist()


@law
@given(small_rows, viewer_rules)
def test_nothing_a_rule_forbids_is_in_the_list(rows: list[Row], rules: ViewerRules) -> None:
    allowed, _ = exclude(ranked(rows, rules).candidates, rules)
    assert allowed.all()


@law
@given(small_rows)
def test_without_saturation_the_list_is_in_score_order(rows: list[Row]) -> None:
    result = ranked(rows, saturation=Saturation(top=0, distance=1))
    totals = result.scores.total
    assert (totals[1:] <= totals[:-1]).all()
    assert result.rank_before.tolist() == list(range(len(result)))


@law
@given(small_rows, st.integers(0, 40), st.integers(0, 9))
def test_a_limit_cuts_the_list_and_changes_nothing_before_the_cut(rows: list[Row], limit: int, start: int) -> None:
    whole, cut = ranked(rows, start=start), ranked(rows, start=start, limit=limit)
    assert to_rows(cut.candidates) == to_rows(whole.candidates)[:limit]
    assert cut.rank_before.tolist() == whole.rank_before[:limit].tolist()
    assert cut.removed.counts()[Rule.LIMIT] == len(whole) - len(cut)


@law
@given(small_rows, viewer_rules, limits)
def test_the_stages_account_for_every_row(rows: list[Row], rules: ViewerRules, limit: int | None) -> None:
    result = ranked(rows, rules, limit=limit)
    merged, excluded, explored, cut = result.counts
    assert (merged.entered, merged.kept, cut.kept) == (len(rows), excluded.entered, len(result))
    assert (excluded.kept, explored.kept) == (explored.entered, cut.entered)
    assert excluded.removed + explored.removed + cut.removed == len(result.removed)
    assert sum(result.removed.counts().values()) == len(result.removed)


@law
@given(small_rows, viewer_rules, limits)
def test_a_post_is_either_in_the_list_or_a_rule_says_why_not(
    rows: list[Row], rules: ViewerRules, limit: int | None
) -> None:
    result = ranked(rows, rules, limit=limit)
    for post_id in {row[0] for row in rows}:
        assert (result.index_of(post_id) is None) == (why_not(result, post_id) is not None)
    assert (result.index_of(-1), why_not(result, -1)) == (None, None)


@law
@given(small_rows, st.integers(0, 2**64))
def test_a_lot_moves_and_removes_only_what_exploration_alone_proposes(rows: list[Row], seed: int) -> None:
    rows = [(*row[:8], Source.EXPLORATION if row[0] % 3 == 0 else row[8]) for row in rows]
    fixed: dict[str, Any] = {"now_ms": NOW, "weights": Weights(), "rules": NOBODY, "saturation": Saturation()}
    result = rank(from_rows(rows), **fixed, seed=seed)
    kept = set(result.candidates.post_id.tolist())
    assert kept | set(result.removed.post_id.tolist()) == {row[0] for row in rows}
    assert result.removed.counts()[Rule.NOT_DRAWN] == len(result.removed)
    alone = result.candidates.sources == Source.EXPLORATION
    assert (result.propensity > 0).tolist() == alone.tolist()
    assert {why_not(result, post) for post in {row[0] for row in rows} - kept} <= {Rule.NOT_DRAWN}


def test_equal_scores_are_ordered_by_newer_then_larger_id() -> None:
    rows = [(i, i, NOW + (10 - i) // 3, 0, 0, 0, 0, 0, 1) for i in range(1, 10)]
    assert ranked(rows).candidates.post_id.tolist() == [1, 4, 3, 2, 7, 6, 5, 9, 8]


def test_no_candidates_make_an_empty_list() -> None:
    fixed: dict[str, Any] = {"weights": Weights(), "rules": NOBODY, "saturation": Saturation()}
    result = rank(Candidates.empty(), now_ms=NOW, **fixed)
    assert (len(result), len(result.removed), [count.entered for count in result.counts]) == (0, 0, [0] * 4)


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="limit is -1"):
        ranked([], limit=-1)
