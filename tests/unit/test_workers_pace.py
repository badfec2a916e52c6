"""Timed jobs: a round at its time, and no store that is away ends them."""

from __future__ import annotations

import pytest

from nova_feed.errors import StoreUnavailableError
from nova_feed.workers.pace import every
from nova_feed.workers.trending import TrendingJob
from tests.unit.test_clock import VirtualClock
from tests.unit.test_feed_trending import World


class EnoughError(Exception):
    """Ends a job that would run for ever."""


async def rounds(costs: list[float]) -> list[float]:
    """Run one round for each cost, in seconds (below 0: the store is away); the seconds rested after each."""
    clock, left, rests = VirtualClock(), list(costs), list[float]()

    async def one_round() -> int:
        cost = left.pop(0)
        clock.pass_s(abs(cost))
        if cost < 0:
            raise StoreUnavailableError("clickhouse", "no answer")
        return 1

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        if not left:
            raise EnoughError

    with pytest.raises(EnoughError):
        await every(60, "test", one_round, clock, rest)
    return rests


async def test_a_round_starts_a_period_after_the_one_before_it_or_at_once_when_that_took_longer() -> None:
    assert await rounds([1, 59, 90, 0]) == [59, 1, 0, 60]


async def test_a_store_that_is_away_ends_the_round_and_not_the_job() -> None:
    assert await rounds([-2, -2, 1]) == [58, 58, 59]


async def test_the_trending_job_writes_every_window() -> None:
    world = World()
    assert await TrendingJob(world.trending, world.clock).step() == 3 * 200
    assert set(world.valkey.kept) == {"1h", "24h", "7d"}


async def test_the_trending_job_says_when_a_store_was_away_after_it_tried_every_window() -> None:
    world = World()
    world.clickhouse.away = True
    with pytest.raises(StoreUnavailableError):
        await TrendingJob(world.trending, world.clock).step()
    assert world.clickhouse.asked == 3
