"""The warmer: it ranks what is not there, the most active first, and leaves most of the time to others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nova_feed.cache.lists import ListCache
from nova_feed.store.client import Store
from nova_feed.store.native import Columns
from nova_feed.workers.warmer import PERIOD_S, SHARE, TOGETHER, Warmer
from tests.unit.test_clock import VirtualClock


class Active(Store):
    """A ClickHouse that knows who is active."""

    def __init__(self, viewers: Sequence[int]) -> None:
        self.viewers = viewers

    async def select(self, query: str, **parameters: Any) -> Columns:
        assert query == "active_viewers"
        return Columns(viewer_id=np.array(self.viewers[: parameters["most"]], dtype=np.int64))


class Warm(ListCache):
    """A cache that has lists of some."""

    def __init__(self, warm: set[int]) -> None:
        self.warm = warm

    async def cold(self, viewers: Sequence[int]) -> list[int]:
        return [viewer for viewer in viewers if viewer not in self.warm]


async def round_of(active: Sequence[int], warm: set[int], cost_s: float) -> tuple[list[int], int, float, float]:
    """Who was ranked, what the round told, and the seconds of work and of rest."""
    clock, ranked, rested = VirtualClock(), list[int](), 0.0
    worked = 0.0

    async def rank(viewer: int) -> None:
        nonlocal worked
        ranked.append(viewer)
        clock.pass_s(cost_s)
        worked += cost_s

    async def rest(seconds: float) -> None:
        nonlocal rested
        clock.pass_s(seconds)
        rested += seconds

    told = await Warmer(Active(active), Warm(warm), rank, clock, rest).step()
    return ranked, told, worked, rested


async def test_only_lists_that_are_not_there_are_ranked_the_most_active_first() -> None:
    ranked, told, _, _ = await round_of([9, 3, 7, 5], {3, 5}, 0.001)
    assert (ranked, told) == ([9, 7], 2)


async def test_a_round_works_for_a_fifth_of_its_time() -> None:
    _, _, worked, rested = await round_of(range(1, 500), set(), 0.001)
    assert worked / (worked + rested) <= SHARE + 1e-6


async def test_a_round_that_takes_too_long_ends_when_the_next_is_due() -> None:
    ranked, told, worked, rested = await round_of(range(1, 1001), set(), 0.1)
    assert told == len(ranked) < 1000
    assert worked + rested <= PERIOD_S + TOGETHER * 0.1 / SHARE + 1e-6


async def test_nobody_active_is_nothing_to_do() -> None:
    assert await round_of([], set(), 1) == ([], 0, 0.0, 0.0)
