"""Keeps the tables that the ranker reads fresh: each is rebuilt whole, and then rests as long as the work asks for.

ClickHouse's own schedule, slower, goes on when no worker does it.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError

from nova_feed.cache.builds import Builds
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
SLOW = {"affinity": Rest(0.02, 5.0, 300.0), "author_posts": Rest(0.02, 20.0, 300.0)}


async def rebuild(store: Store, builds: Builds, clock: Clock, view: str) -> float:
    """Rebuild a refreshable view, and tell who has copies of it; returns the seconds it took.

    Raises StoreUnavailableError. When Valkey is away nobody is told, and nobody can ask: copies are short-lived then.
    """
    start = clock.monotonic()
    await _carry_out(store, f"{view} was not rebuilt", f"SYSTEM REFRESH VIEW {view}", f"SYSTEM WAIT VIEW {view}")
    took_s = clock.monotonic() - start
    with suppress(StoreUnavailableError):
        await builds.tell(view)
    return took_s


async def _carry_out(store: Store, otherwise: str, *commands: str) -> None:
    try:
        for command in commands:
            await store.command(command)
    except ClickHouseError as error:
        raise StoreUnavailableError("clickhouse", f"{otherwise}: {str(error)[:200]}") from error


async def start_stopped(store: Store) -> list[str]:
    """Start the views that ClickHouse has stopped by itself; their names. Raises StoreUnavailableError.

    Of a stopped view a rebuild that is asked for is put off, and waiting for it ends at once, as if all were well.
    """
    rows = await store.select("stopped_views")
    views = [str(view) for view in rows["view"]]
    for view, reason in zip(views, rows["reason"], strict=True):
        log.warning("tables.started_again", view=view, reason=str(reason)[:200])
        await _carry_out(store, f"{view} was not started", f"SYSTEM START VIEW {view}")
    return views


async def watch_stopped(store: Store, every_s: float = 5.0) -> None:
    """Start them until cancelled. A store that is away is waited for."""
    while True:
        try:
            await start_stopped(store)
        except StoreUnavailableError as error:
            log.warning("tables.waiting", view="any", store=error.store, reason=error.reason)
        await asyncio.sleep(every_s)


async def keep(store: Store, builds: Builds, clock: Clock, view: str) -> None:
    """Rebuild one of ``SLOW``, rest, and again, until cancelled. A store that is away is waited for."""
    while True:
        took_s = 0.0
        try:
            took_s = await rebuild(store, builds, clock, view)
        except StoreUnavailableError as error:
            log.warning("tables.waiting", view=view, store=error.store, reason=error.reason)
        await asyncio.sleep(SLOW[view].after(took_s))
