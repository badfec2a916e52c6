"""A quota within a window: what may be spent, and never more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.serving.gcra import Quota, judge

quotas = st.builds(Quota, st.integers(1, 1_000_000), st.sampled_from([1.0, 60.0, 3600.0]))
requests = st.lists(st.tuples(st.floats(0, 30), st.integers(1, 300)), max_size=60)


def spent(quota: Quota, asked: list[tuple[float, int]]) -> list[tuple[float, int]]:
    """(when, units) of what was allowed; each request comes some seconds after the one before."""
    now = backlog = 0.0
    allowed = []
    for pause, units in asked:
        now, backlog = now + pause, max(0.0, backlog - pause)
        if judge(quota, backlog, units).allowed:
            backlog += units * quota.interval_s
            allowed.append((now, units))
    return allowed


@given(quotas, requests)
def test_within_any_time_never_more_is_allowed_than_the_quota_and_what_is_earned_meanwhile(
    quota: Quota, asked: list[tuple[float, int]]
) -> None:
    allowed = spent(quota, asked)
    for i, (start, _) in enumerate(allowed):
        total = 0
        for now, units in allowed[i:]:
            total += units
            assert total <= quota.units * (1 + (now - start) / quota.window_s) + 1e-3


@given(quotas, st.floats(0, 4000), st.integers(1, 1000))
def test_a_refused_request_is_allowed_after_exactly_the_wait_it_was_told_unless_it_is_more_than_the_quota(
    quota: Quota, backlog: float, units: int
) -> None:
    verdict = judge(quota, backlog, units)
    if verdict.allowed or units > quota.units:
        assert verdict.allowed or verdict.wait_s > backlog - quota.window_s
        return
    assert judge(quota, backlog - verdict.wait_s, units).allowed
    # A ten-thousandth of what one unit takes is rounding, not waiting.
    assert not judge(quota, backlog - verdict.wait_s * 0.9, units).allowed or verdict.wait_s < quota.interval_s * 1e-4


@given(quotas, st.floats(0, 60))
def test_what_is_said_to_remain_is_allowed_and_one_more_is_not(quota: Quota, backlog: float) -> None:
    first = judge(quota, backlog, 1)
    after = backlog + quota.interval_s * first.allowed
    if first.remaining:
        assert judge(quota, after, first.remaining).allowed
    assert not judge(quota, after, first.remaining + 1).allowed


def test_the_whole_quota_may_be_spent_at_once_and_comes_back_evenly() -> None:
    quota = Quota(600)
    at_once = judge(quota, 0, 600)
    assert (at_once.allowed, at_once.remaining, at_once.full_in_s) == (True, 0, 60)
    refused = judge(quota, 60, 1)
    assert not refused.allowed
    assert refused.wait_s == pytest.approx(0.1)
    assert judge(quota, 59.9, 1).allowed


@pytest.mark.parametrize(("units", "chunk"), [(1, 1), (10, 1), (199, 1), (600, 6), (6000, 60)])
def test_a_chunk_is_a_hundredth_of_the_quota_and_at_least_one(units: int, chunk: int) -> None:
    assert Quota(units).chunk == chunk
