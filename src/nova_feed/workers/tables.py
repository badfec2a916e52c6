"""Keeps the tables that the ranker reads fresh: each is rebuilt whole, and then rests as long as the work asks for.

ClickHouse's own schedule, slower, goes on when no worker does it.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError

from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.store.client import Store

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Rest:
    """The pause after a rebuild, in seconds: so long that rebuilding takes ``share`` of the time, within bounds."""

    share: float
    shortest_s: float
    longest_s: float

    def after(self, took_s: float) -> float:
        """How long to rest after a rebuild that took so long."""
        return min(self.longest_s, max(self.shortest_s, took_s * (1 - self.share) / self.share))


HOT = Rest(share=0.25, shortest_s=0.2, longest_s=3.0)
SLOW = {"affinity": Rest(0.04, 5.0, 300.0), "author_posts": Rest(0.04, 20.0, 300.0)}


async def rebuild(store: Store, clock: Clock, view: str) -> float:
    """Rebuild a refreshable view; returns the seconds it took. Raises StoreUnavailableError."""
    start = clock.monotonic()
    try:
        await store.command(f"SYSTEM REFRESH VIEW {view}")
        await store.command(f"SYSTEM WAIT VIEW {view}")
    except ClickHouseError as error:
        raise StoreUnavailableError("clickhouse", f"{view} was not rebuilt: {str(error)[:200]}") from error
    return clock.monotonic() - start


async def keep(store: Store, clock: Clock, view: str) -> None:
    """Rebuild one of ``SLOW``, rest, and again, until cancelled. A store that is away is waited for."""
    while True:
        took_s = 0.0
        try:
            took_s = await rebuild(store, clock, view)
        except StoreUnavailableError as error:
            log.warning("tables.waiting", view=view, store=error.store, reason=error.reason)
        await asyncio.sleep(SLOW[view].after(took_s))
