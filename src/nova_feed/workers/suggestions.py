"""Renews the suggestions of those who ask for them, every five minutes, so that they find them made.

The cost of a round is bounded three times: at most ``MOST`` viewers, the latest to have asked; a bounded query for each
(see ``suggestions.sql``); and a rest after each batch, so that a round takes ``SHARE`` of the time at most, and ends
when the next is due.
"""

from __future__ import annotations

import asyncio

from nova_feed.cache.discovery import DiscoveryCache
from nova_feed.clock import Clock
from nova_feed.feed.suggestions import TOGETHER, Suggestions
from nova_feed.workers.pace import Sleep, every

PERIOD_S = 300.0
MOST = 1_000
SHARE = 0.2
ASKED_WITHIN_MS = 1_800_000


class SuggestionsJob:
    """Renews lists; ``sleep`` waits for some seconds."""

    def __init__(
        self, suggestions: Suggestions, cache: DiscoveryCache, clock: Clock, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._suggestions, self._cache, self._clock, self._sleep = suggestions, cache, clock, sleep

    async def run(self) -> None:
        """A round every five minutes, until cancelled."""
        await every(PERIOD_S, "suggestions", self.step, self._clock)

    async def step(self) -> int:
        """One round: returns how many viewers' lists were renewed. Raises StoreUnavailableError."""
        start = self._clock.monotonic()
        viewers = await self._cache.asking(self._clock.now_ms() - ASKED_WITHIN_MS, MOST)
        for done in range(0, len(viewers), TOGETHER):
            before = self._clock.monotonic()
            if before - start >= PERIOD_S:
                return done
            await self._suggestions.renew(viewers[done : done + TOGETHER])
            await self._sleep((self._clock.monotonic() - before) * (1 - SHARE) / SHARE)
        return len(viewers)
