"""Explanations add up, travel as JSON and can be recomputed by whoever receives them."""

from __future__ import annotations

import json
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.ranking import Saturation, Weights, explain, rank, score_from_payload
from tests.unit.test_ranking_candidates import INT64, NOW, Row, any_rows, from_rows, law, small_rows
from tests.unit.test_ranking_pipeline import NOBODY, ranked
from tests.unit.test_ranking_scoring import weights


@law
@given(any_rows, INT64, weights)
def test_the_score_recomputed_from_the_json_payload_is_the_served_one_bit_for_bit(
    rows: list[Row], now_ms: int, weights: Weights
) -> None:
    result = rank(from_rows(rows), now_ms=now_ms, weights=weights, rules=NOBODY, saturation=Saturation())
    for i in range(len(result)):
        payload = explain(result, i).as_payload()
        received = json.loads(json.dumps(payload, allow_nan=False))
        assert received == payload
        assert score_from_payload(received).hex() == received["score"].hex() == float(result.scores.total[i]).hex()


@law
@given(any_rows, weights)
def test_the_terms_of_a_received_payload_add_up_in_every_order(rows: list[Row], weights: Weights) -> None:
    result = ranked(rows, weights=weights)
    for i in range(len(result)):
        received = json.loads(json.dumps(explain(result, i).as_payload()))
        for a, b, c in permutations(received["terms"].values()):
            assert ((a + b) + c).hex() == received["score"].hex()


@law
@given(small_rows, st.integers(0, 9))
def test_a_post_that_did_not_move_has_its_score_rank_as_position(rows: list[Row], start: int) -> None:
    result = ranked(rows, start=start, saturation=Saturation(top=0, distance=1))
    told = [explain(result, i) for i in range(len(result))]
    assert [e.position for e in told] == [e.rank_before for e in told] == [start + i for i in range(len(told))]
    assert not any(e.relaxed for e in told)


def test_an_explanation_tells_all_that_went_in() -> None:
    result = ranked([(5, 6, NOW - 1000, 1, 2, 3, 4, 7, 5), (4, 6, NOW - 2000, 0, 0, 0, 0, 0, 1)])
    first, second = explain(result, 0), explain(result, 1)
    assert first.as_payload()["inputs"] == {
        "post_id": 5,
        "author_id": 6,
        "created_ms": NOW - 1000,
        "likes": 1,
        "comments": 2,
        "shares": 3,
        "exposures": 4,
        "interactions": 7,
        "age_ms": 1000,
        "sources": ["FOLLOWEE", "AFFINITY"],
    }
    assert (first.weights.version, first.as_of_ms, first.relaxed, second.relaxed) == ("default", NOW, False, True)


@pytest.mark.parametrize("i", [-1, 1])
def test_a_row_that_is_not_in_the_list_is_refused(i: int) -> None:
    with pytest.raises(IndexError, match=f"row {i} of a list of 1"):
        explain(ranked([(5, 6, NOW, 0, 0, 0, 0, 0, 1)]), i)
