"""How often the counters are rebuilt: as often as they are cheap, never more, and never much less."""

from __future__ import annotations

import pytest

from nova_feed.workers.invalidation import LONGEST_PAUSE_S, SHARE, SHORTEST_PAUSE_S, pause_s


@pytest.mark.parametrize(
    ("took_s", "rests_s"), [(0.0, SHORTEST_PAUSE_S), (0.05, 0.2), (0.25, 1.0), (60, LONGEST_PAUSE_S)]
)
def test_a_rebuild_is_followed_by_a_rest_of_four_times_its_length_within_bounds(took_s: float, rests_s: float) -> None:
    assert pause_s(took_s) == pytest.approx(rests_s)


@pytest.mark.parametrize("took_s", [0.05, 0.2, 0.5, 0.75])
def test_rebuilding_takes_a_fifth_of_the_time_at_most(took_s: float) -> None:
    assert took_s / (took_s + pause_s(took_s)) <= SHARE + 1e-9
