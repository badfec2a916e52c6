"""Frozen lists as bytes: the same list, the same scores, or a ValueError."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nova_feed.feed.frozen import FrozenList, decode, encode, freeze
from nova_feed.ranking import Ranked, Saturation, ViewerRules, Weights, rank
from tests.unit.test_ranking_candidates import NOW, Row, any_rows, from_rows, law, to_rows

WEIGHTS = st.builds(
    Weights,
    freshness=st.floats(0.001, 8192),
    engagement=st.floats(0, 8192),
    affinity=st.floats(0, 8192),
    decay_per_hour=st.floats(0, 10),
    version=st.text(max_size=20),
)


def ranked(rows: list[Row], weights: Weights | None = None) -> Ranked:
    return rank(
        from_rows(rows), now_ms=NOW, weights=weights or Weights(), rules=ViewerRules(0), saturation=Saturation()
    )


def frozen(count: int) -> FrozenList:
    return freeze(ranked([(i, i % 3, NOW - i, i, 1, 0, 9, 2, 1) for i in range(1, count + 1)]), "ranked")


@law
@given(any_rows, WEIGHTS, st.sampled_from(["ranked", "timeline"]), st.text(max_size=50))
def test_a_frozen_list_comes_back_as_it_was(rows: list[Row], weights: Weights, source: str, reason: str) -> None:
    followees = np.array([1, 4, 9])
    before = freeze(ranked(rows, weights), source, reason, followees=followees, cold=len(rows) % 2 == 0)
    after = decode(encode(before))
    assert (after.list_id, after.as_of_ms, after.source, after.reason, after.weights) == (
        before.list_id, NOW, source, reason, weights,
    )  # fmt: skip
    assert to_rows(after.candidates) == to_rows(before.candidates)
    assert after.rank_before.tolist() == before.rank_before.tolist()
    assert after.relaxed.tolist() == before.relaxed.tolist()
    assert (after.cold, after.propensity.tolist()) == (before.cold, before.propensity.tolist())
    assert after.followed.tolist() == [author in {1, 4, 9} for author in after.candidates.author_id.tolist()]


@law
@given(any_rows, WEIGHTS)
def test_scores_computed_anew_have_the_bits_they_were_ranked_with(rows: list[Row], weights: Weights) -> None:
    result = ranked(rows, weights)
    again = decode(encode(freeze(result, "ranked"))).scores
    assert again.total.tobytes() == result.scores.total.tobytes()
    assert again.freshness_term.tobytes() == result.scores.freshness_term.tobytes()


@law
@given(any_rows)
def test_a_decoded_list_explains_itself_as_the_ranked_one_does(rows: list[Row]) -> None:
    result = ranked(rows)
    again = decode(encode(freeze(result, "ranked"))).as_ranked()
    assert (again.now_ms, again.weights, len(again)) == (result.now_ms, result.weights, len(result))
    assert again.rank_before.tolist() == result.rank_before.tolist()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_list_cut_off_anywhere_is_refused(count: int) -> None:
    body = encode(frozen(count))
    for end in range(len(body)):
        with pytest.raises(ValueError, match="frozen list"):
            decode(body[:end])


def test_a_list_with_something_after_it_is_refused() -> None:
    for more in (b"\0", encode(frozen(1))):
        with pytest.raises(ValueError, match="frozen list"):
            decode(encode(frozen(2)) + more)


@law
@example(b"\0\0\0\x07\x99\xa5\0\0\0\0\x80")  # a text that is not UTF-8
@given(st.binary(max_size=400))
def test_other_bytes_are_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match="frozen list"):
        decode(body)


@law
@given(st.data())
def test_a_list_with_another_header_is_refused_or_read_but_never_anything_else(data: Any) -> None:
    body = bytearray(encode(frozen(2)))
    at = data.draw(st.integers(0, 3 + int.from_bytes(body[:4], "big")))
    body[at] = data.draw(st.integers(0, 255))
    with suppress(ValueError):
        assert len(decode(bytes(body))) == 2


def test_two_lists_never_share_an_identity() -> None:
    assert len({frozen(1).list_id for _ in range(1000)}) == 1000
