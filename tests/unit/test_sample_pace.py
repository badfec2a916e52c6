import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.local.sample.pace import Pacer, Rates


@given(st.floats(0, 500), st.lists(st.floats(0, 0.9), max_size=50))
def test_whatever_the_steps_the_rate_is_kept(per_s: float, steps: list[float]) -> None:
    pacer, now_s, done = Pacer(per_s, 0.0), 0.0, 0
    for step in steps:
        now_s += step
        done += pacer.due(now_s)
    assert done <= per_s * now_s + 1e-6
    if per_s > 10:  # below, a step of 0.9 s and what is left of the last one can exceed the cap
        assert done >= per_s * now_s - 1.0 - 0.1 * len(steps)


@given(st.floats(1, 500), st.floats(1, 10_000))
def test_after_a_stall_no_more_than_a_second_is_caught_up(per_s: float, stall_s: float) -> None:
    pacer = Pacer(per_s, 0.0)
    assert pacer.due(stall_s) <= per_s
    assert pacer.due(stall_s) == 0


@given(st.floats(0, 1e6))
def test_scaled_rates_add_up_to_the_total(total: float) -> None:
    rates = Rates.scaled(total)
    assert rates.changes_per_s + rates.events_per_s == pytest.approx(total)


def test_a_negative_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Rates(1, -1, 0, 0, 0)
