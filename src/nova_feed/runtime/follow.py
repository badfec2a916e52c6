"""Every process follows the table: it asks for the newest version four times a second.

A question by primary key takes 0.1 ms. LISTEN would answer sooner, and take a connection of its own that no pooler may
stand before, which must be found dead and made again, and this question beside it all the same.
"""

from __future__ import annotations

import asyncio

import structlog

from nova_feed.errors import StoreUnavailableError
from nova_feed.runtime.live import Live
from nova_feed.runtime.table import RuntimeTable

log = structlog.get_logger(__name__)
EVERY_S = 0.25
FIRST_S = 1.0


class Follower:
    """Keeps a ``Live`` at the newest version. While PostgreSQL is away the last known one stays."""

    def __init__(self, table: RuntimeTable, live: Live) -> None:
        self._table, self._live = table, live
        self._away = False

    async def first(self) -> None:
        """The version that holds, before the first request; within a second, or the settings hold until it is known."""
        try:
            async with asyncio.timeout(FIRST_S):
                await self.step()
        except TimeoutError:
            log.warning("runtime.unknown", reason=f"no answer within {FIRST_S:.0f} s", kept=self._live.now.version)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.step()
            await asyncio.sleep(EVERY_S)

    async def step(self) -> None:
        """Ask once."""
        try:
            row = await self._table.newest()
        except StoreUnavailableError as error:
            if not self._away:
                log.warning("runtime.unknown", reason=error.reason, kept=self._live.now.version)
            self._away = True
            return
        self._away = False
        if row is None:
            if self._live.now.version:
                self._live.reset()
        elif row.version != self._live.now.version:
            self._live.offer(row.version, row.document)
