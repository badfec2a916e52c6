"""Counts what trends, every minute, and writes it where every API process reads it."""

from __future__ import annotations

from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.trending import WINDOWS, Trending
from nova_feed.workers.pace import every

PERIOD_S = 60.0


class TrendingJob:
    """Writes one list a window."""

    def __init__(self, trending: Trending, clock: Clock) -> None:
        self._trending, self._clock = trending, clock

    async def run(self) -> None:
        """A round a minute, until cancelled."""
        await every(PERIOD_S, "trending", self.step, self._clock)

    async def step(self) -> int:
        """All windows, one after the other: one that fails does not keep the others from being written.

        Returns how many posts are listed. Raises the last StoreUnavailableError.
        """
        posts, failed = 0, None
        for window in WINDOWS:
            try:
                posts += len((await self._trending.make(window)).candidates)
            except StoreUnavailableError as error:
                failed = error
        if failed is not None:
            raise failed
        return posts
