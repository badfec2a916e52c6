"""The formula, its exactness and its order."""

from __future__ import annotations

import math
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.ranking import Candidates, Source, Weights, merge, rank_order, score
from tests.unit.test_ranking_candidates import COUNT, INT64, NOW, Row, any_rows, from_rows, law, small_rows

HOUR_MS = 3_600_000
number = st.floats(0.0, 2.0**13)
weights = st.builds(Weights, st.floats(1e-3, 2.0**13), number, number, number, number, number) | st.just(Weights())


def one(**columns: Any) -> Candidates:
    given_columns = {"post_id": 1, "author_id": 2, "created_ms": NOW, "sources": Source.FOLLOWEE} | columns
    return Candidates.make(**{name: [value] for name, value in given_columns.items()})


def total(weights: Weights | None = None, now_ms: int = NOW, **columns: Any) -> float:
    return float(score(one(**columns), now_ms, weights or Weights()).total[0])


@pytest.mark.parametrize(("hours", "expected"), [(0, 1.0), (1, math.exp(-0.1)), (24, 0.0907179532894125)])
def test_freshness_is_one_when_new_and_nine_hundredths_after_a_day(hours: int, expected: float) -> None:
    scores = score(one(created_ms=NOW - hours * HOUR_MS), NOW, Weights())
    assert scores.freshness[0] == pytest.approx(expected, rel=1e-14)
    assert scores.age_ms[0] == hours * HOUR_MS


def test_a_post_from_the_future_is_new() -> None:
    scores = score(one(created_ms=NOW + HOUR_MS), NOW, Weights())
    assert (scores.age_ms[0], scores.freshness[0]) == (0, 1.0)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({}, 0.0),
        ({"likes": 1}, math.log(2)),
        ({"likes": 1, "exposures": 1}, math.log(2)),
        ({"likes": 1, "comments": 2, "shares": 3, "exposures": 100}, math.log1p(0.14)),
    ],
)
def test_engagement_is_the_logarithm_of_weighted_actions_per_exposure(counts: dict[str, int], expected: float) -> None:
    assert score(one(**counts), NOW, Weights()).engagement[0] == pytest.approx(expected, rel=1e-14)


def test_affinity_is_the_logarithm_of_all_interactions() -> None:
    assert score(one(interactions=9), NOW, Weights()).affinity[0] == pytest.approx(math.log(10), rel=1e-14)


def test_the_total_weighs_the_signals_with_thirty_forty_and_thirty_hundredths() -> None:
    expected = 0.3 * math.exp(-0.5) + 0.4 * math.log1p(14 / 20) + 0.3 * math.log1p(4)
    post = one(created_ms=NOW - 5 * HOUR_MS, likes=3, comments=4, shares=1, exposures=20, interactions=4)
    assert score(post, NOW, Weights()).total[0] == pytest.approx(expected, abs=2.0**-31)


@law
@given(any_rows, INT64, weights)
def test_terms_add_up_to_the_total_in_every_order(rows: list[Row], now_ms: int, weights: Weights) -> None:
    scores = score(from_rows(rows), now_ms, weights)
    terms = (scores.freshness_term, scores.engagement_term, scores.affinity_term)
    for a, b, c in permutations(terms):
        assert ((a + b) + c).tobytes() == scores.total.tobytes()
        assert (a + (b + c)).tobytes() == scores.total.tobytes()


@law
@given(any_rows, INT64, weights)
def test_terms_are_their_weighted_signals_to_the_resolution_of_the_grid(
    rows: list[Row], now_ms: int, weights: Weights
) -> None:
    scores = score(from_rows(rows), now_ms, weights)
    for name in ("freshness", "engagement", "affinity"):
        term = getattr(scores, f"{name}_term")
        assert np.abs(term - getattr(weights, name) * getattr(scores, name)).max(initial=0.0) <= 2.0**-33


@law
@given(any_rows, INT64, weights)
def test_scores_are_finite_and_within_bounds_for_any_64_bit_input(
    rows: list[Row], now_ms: int, weights: Weights
) -> None:
    scores = score(from_rows(rows), now_ms, weights)
    assert (scores.age_ms >= 0).all()
    assert ((scores.freshness >= 0) & (scores.freshness <= 1)).all()
    for values in (scores.freshness_term, scores.engagement_term, scores.affinity_term):
        assert ((values >= 0) & (values < 2.0**19)).all()
    assert (scores.total < 2.0**21).all()


def test_the_largest_inputs_and_weights_stay_below_the_proven_bounds() -> None:
    most = 2**63 - 1
    counts = {"likes": most, "comments": most, "shares": most, "interactions": most}
    scores = score(one(**counts), NOW, Weights(2.0**13, 2.0**13, 2.0**13, 2.0**13, 2.0**13, 2.0**13))
    assert scores.engagement[0] < 54
    assert scores.engagement_term[0] < 2.0**19
    assert np.rint(scores.total * 2.0**32)[0] < 2.0**53


def test_weights_given_as_whole_numbers_do_not_make_counts_overflow() -> None:
    most = one(likes=2**62, comments=2**62, shares=2**62)
    whole, real = Weights(1, 1, 1, 1, 2, 3), Weights(1.0, 1.0, 1.0, 1.0, 2.0, 3.0)
    assert score(most, NOW, whole).total[0] == score(most, NOW, real).total[0]


@law
@given(any_rows, INT64, weights)
def test_a_score_is_the_same_alone_and_in_company(rows: list[Row], now_ms: int, weights: Weights) -> None:
    together = score(from_rows(rows), now_ms, weights).total.tolist()
    alone = [score(from_rows([r]), now_ms, weights).total[0] for r in rows]
    assert together == alone


@law
@given(COUNT, COUNT, COUNT, COUNT, st.sampled_from(["likes", "comments", "shares", "interactions"]), weights)
def test_more_of_a_good_thing_never_lowers_the_score(
    fewer: int, more: int, others: int, exposures: int, name: str, weights: Weights
) -> None:
    rest = dict.fromkeys({"likes", "comments", "shares", "interactions"} - {name}, others)
    fewer, more = sorted((fewer, more))
    low = total(weights, exposures=exposures, **rest, **{name: fewer})
    assert low <= total(weights, exposures=exposures, **rest, **{name: more})


@law
@given(COUNT, COUNT, COUNT, weights)
def test_more_exposures_for_the_same_actions_never_raise_the_score(
    fewer: int, more: int, likes: int, weights: Weights
) -> None:
    fewer, more = sorted((fewer, more))
    assert total(weights, likes=likes, exposures=fewer) >= total(weights, likes=likes, exposures=more)


@law
@given(INT64, INT64, INT64, weights)
def test_an_older_post_never_scores_higher(one_ms: int, other_ms: int, now_ms: int, weights: Weights) -> None:
    older, newer = sorted((one_ms, other_ms))
    assert total(weights, now_ms, created_ms=older) <= total(weights, now_ms, created_ms=newer)


@law
@given(small_rows, st.sampled_from([Weights(), Weights(0.0, 0.0, 1.0)]))
def test_the_order_is_by_total_then_newer_then_larger_id(rows: list[Row], weights: Weights) -> None:
    candidates = merge(from_rows(rows))
    scores = score(candidates, NOW, weights)
    keys = list(zip(scores.total, candidates.created_ms, candidates.post_id, strict=True))
    assert [keys[i] for i in rank_order(scores, candidates)] == sorted(keys, reverse=True)


@pytest.mark.parametrize(
    "name", ["freshness", "engagement", "affinity", "decay_per_hour", "comment_weight", "share_weight"]
)
@pytest.mark.parametrize("value", [-0.1, math.nan, math.inf, -math.inf, 8193.0])
def test_a_weight_that_is_not_a_number_from_0_to_8192_is_refused_by_name(name: str, value: float) -> None:
    changed: dict[str, Any] = {name: value}
    with pytest.raises(ValueError, match=f"weights: {name} is"):
        Weights(**changed)


def test_weights_that_score_every_post_alike_are_refused() -> None:
    with pytest.raises(ValueError, match="all 0"):
        Weights(0.0, 0.0, 0.0)
