"""The filter of seen posts: nothing seen is missed, and little else is taken for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.cache.seen import BITS, HASHES, NOTHING_SEEN, Seen, places
from tests.unit.test_ranking_candidates import law

IDS = st.lists(st.integers(1, 2**63 - 1), max_size=300, unique=True)


def filtered(posts: list[int]) -> Seen:
    """A filter that holds these posts, as Valkey's bitmap would: bit 0 is the highest of byte 0."""
    bits = np.zeros(BITS, dtype=np.uint8)
    bits[places(np.array(posts, dtype=np.int64)).astype(np.int64).ravel()] = 1
    return Seen(np.array([2**62], dtype=np.int64), np.packbits(bits))


@law
@given(IDS)
def test_whatever_was_marked_is_seen(posts: list[int]) -> None:
    assert filtered(posts).among(np.array(posts, dtype=np.int64)).all()


@law
@given(IDS, IDS)
def test_the_recent_posts_are_seen_exactly(recent: list[int], asked: list[int]) -> None:
    seen = Seen(np.sort(np.array(recent or [1], dtype=np.int64)), np.empty(0, np.uint8))
    assert seen.among(np.array(asked, dtype=np.int64)).tolist() == [post in (recent or [1]) for post in asked]


def test_a_filter_cut_short_has_nothing_beyond_its_end() -> None:
    whole = filtered(list(range(1, 100)))
    short = Seen(whole.recent, whole.bits[:64])
    asked = np.arange(1, 100, dtype=np.int64)
    assert not (short.among(asked) & ~whole.among(asked)).any()


@pytest.mark.parametrize("count", [100, 1_000, 5_300])
def test_fewer_than_one_in_a_hundred_others_is_taken_for_seen(count: int) -> None:
    seen = filtered(list(range(1, count + 1)))
    others = np.arange(10_000_000, 10_200_000, dtype=np.int64)
    wrong = float(seen.among(others).mean())
    expected = (1 - np.exp(-HASHES * count / BITS)) ** HASHES
    assert wrong <= 0.0101
    assert wrong == pytest.approx(expected, rel=0.15, abs=0.0002)
    assert seen.false_positive_rate == pytest.approx(expected, rel=0.1, abs=0.0002)


def test_who_has_seen_nothing_has_seen_nothing() -> None:
    assert not NOTHING_SEEN.among(np.array([1, 2], dtype=np.int64)).any()
