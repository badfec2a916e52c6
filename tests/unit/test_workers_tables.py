"""How often the ranker's tables are rebuilt: as often as they are cheap, never more, and never much less."""

from __future__ import annotations

import pytest

from nova_feed.workers.tables import HOT, SLOW, Rest

ALL = {"hot_posts": HOT, **SLOW}


@pytest.mark.parametrize(("took_s", "rests_s"), [(0.0, 0.2), (0.05, 0.2), (0.2, 0.6), (60, 3.0)])
def test_the_counters_rest_three_times_as_long_as_their_rebuild_took_within_bounds(
    took_s: float, rests_s: float
) -> None:
    assert HOT.after(took_s) == pytest.approx(rests_s)


@pytest.mark.parametrize("rest", ALL.values(), ids=ALL.keys())
def test_rebuilding_takes_its_share_of_the_time_at_most_until_the_rest_is_as_long_as_it_may_be(rest: Rest) -> None:
    for took_s in (0.01, 0.1, 0.5, 2, 10):
        pause = rest.after(took_s)
        assert rest.shortest_s <= pause <= rest.longest_s
        if pause < rest.longest_s:
            assert took_s / (took_s + pause) <= rest.share + 1e-9
