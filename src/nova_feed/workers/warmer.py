"""Keeps the feeds of the most active viewers ranked, so that their first page of the day is a cached one too.

A round ranks only lists that are not there, takes ``SHARE`` of the time at most, and stops when the next one is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from nova_feed.cache.lists import ListCache
from nova_feed.clock import Clock
from nova_feed.store.client import Store
from nova_feed.workers.pace import Sleep, every

PERIOD_S = 60.0
MOST, TOGETHER = 1_000, 64
SHARE = 0.2


class Warmer:
    """``rank(viewer)`` ranks and keeps one list; it raises nothing when a store is away."""

    def __init__(
        self,
        store: Store,
        lists: ListCache,
        rank: Callable[[int], Awaitable[None]],
        clock: Clock,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._store, self._lists, self._rank, self._clock, self._sleep = store, lists, rank, clock, sleep

    async def run(self) -> None:
        """A round a minute, until cancelled."""
        await every(PERIOD_S, "warmer", self.step, self._clock)

    async def step(self) -> int:
        """One round: returns how many lists were ranked. Raises StoreUnavailableError."""
        start = self._clock.monotonic()
        active = (await self._store.select("active_viewers", most=MOST))["viewer_id"].tolist()
        cold = await self._lists.cold(active)
        for done in range(0, len(cold), TOGETHER):
            before = self._clock.monotonic()
            if before - start >= PERIOD_S:
                return done
            await asyncio.gather(*(self._rank(viewer) for viewer in cold[done : done + TOGETHER]))
            await self._sleep((self._clock.monotonic() - before) * (1 - SHARE) / SHARE)
        return len(cold)
