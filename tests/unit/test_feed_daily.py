"""The metrics of a day: what follows from its counts, and where they come from."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.cache.daily import DailyCache
from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.daily import CACHED, COMPUTED, COUNTS, MINUTES, SHORT_TTL_S, STORED, Daily, Day, report
from nova_feed.store.client import Store
from nova_feed.store.native import Columns
from tests.unit.test_clock import VirtualClock
from tests.unit.test_ranking_candidates import law

NOTHING = Day("2026-11-25", 1, *(0 for _ in COUNTS))


class Kept(Store):
    """Counts as many impressions as it was asked to count; keeps what it is told to keep."""

    def __init__(self) -> None:
        self.counted, self.rows = 0, {}  # type: ignore[var-annotated]

    async def select(self, query: str, **parameters: Any) -> Columns:
        if query == "daily_stored":
            kept = self.rows.get(parameters["day"].isoformat())
            names = ("as_of_ms", *COUNTS)
            return Columns({name: np.array([kept[i]]) for i, name in enumerate(names)} if kept else {})
        self.counted += 1
        return Columns({name: np.array([self.counted if name == "impressions" else 0]) for name in COUNTS})

    async def command(self, sql: str) -> None:
        day, *values = sql.partition("VALUES (")[2].rstrip(")").split(", ")
        self.rows[day.strip("'")] = [int(value) for value in values]


class Remembered(DailyCache):
    """Keeps days for ever, and how long it was asked to."""

    def __init__(self) -> None:
        self.away = False
        self.bodies: dict[date, bytes] = {}
        self.lives: dict[date, int] = {}

    async def get(self, day: date) -> bytes | None:
        self._reach()
        return self.bodies.get(day)

    async def put(self, day: date, body: bytes, ttl_s: int = 86_400) -> None:
        self._reach()
        self.bodies[day], self.lives[day] = body, ttl_s

    def _reach(self) -> None:
        if self.away:
            raise StoreUnavailableError("valkey", "no connection")


class Bench:
    def __init__(self) -> None:
        self.store, self.cache, clock = Kept(), Remembered(), VirtualClock()
        self.daily = Daily(self.store, self.cache, clock)
        self.today = self.daily.today()
        self.before = self.today - timedelta(days=1)


@pytest.fixture
def bench() -> Bench:
    return Bench()


@law
@given(st.lists(st.integers(0, 10**12), min_size=len(COUNTS), max_size=len(COUNTS)))
def test_a_rate_is_a_quotient_of_two_counts_or_nothing(counts: list[int]) -> None:
    day = Day("2026-11-25", 1, *counts)
    assert day.ctr == (round(day.clicks / day.impressions, 6) if day.impressions else None)
    assert (day.recommendation_ctr is None) == (day.recommended_impressions == 0)
    assert (day.dedup_rate is None) == (day.events == 0)
    [row] = report([day])
    assert [row[name] for name in COUNTS] == counts


@pytest.mark.parametrize(
    ("minutes", "health"), [(0, "unknown"), (1, "bad"), (1295, "bad"), (1296, "degraded"), (1425, "degraded"),
                            (1426, "ok"), (MINUTES, "ok")],
)  # fmt: skip
def test_a_day_is_as_well_as_the_canary_came_through(minutes: int, health: str) -> None:
    assert msgspec.structs.replace(NOTHING, canary_minutes=minutes).health == health


async def test_a_day_that_was_kept_is_answered_from_there_and_then_from_the_cache(bench: Bench) -> None:
    made = await bench.daily.make(bench.before)
    bench.cache.bodies.clear()
    assert await bench.daily.of(bench.before) == (made, STORED)
    assert await bench.daily.of(bench.before) == (made, CACHED)
    assert (bench.store.counted, bench.cache.lives[bench.before]) == (1, 86_400)


async def test_a_day_that_goes_on_or_was_not_kept_yet_is_counted_and_soon_forgotten(bench: Bench) -> None:
    for day in (bench.today, bench.before):
        found, source = await bench.daily.of(day)
        assert (found.day, source, bench.cache.lives[day]) == (day.isoformat(), COMPUTED, SHORT_TTL_S)
    assert bench.store.rows == {}


async def test_a_day_made_again_replaces_what_was_kept_and_cached(bench: Bench) -> None:
    first, second = await bench.daily.make(bench.before), await bench.daily.make(bench.before)
    assert (first.impressions, second.impressions) == (1, 2)
    assert await bench.daily.of(bench.before) == (second, CACHED)
    assert await bench.daily.stored(bench.before) == second


async def test_without_valkey_a_day_is_answered_all_the_same(bench: Bench) -> None:
    made = await bench.daily.make(bench.before)
    bench.cache.away = True
    assert await bench.daily.of(bench.before) == (made, STORED)


async def test_what_another_version_left_in_the_cache_is_as_good_as_nothing(bench: Bench) -> None:
    bench.cache.bodies[bench.before] = b'{"day":"2026-11-25"}'
    assert (await bench.daily.of(bench.before))[1] == COMPUTED
