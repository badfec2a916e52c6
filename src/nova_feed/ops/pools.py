"""The pools of this process, looked at while it runs: how many connections, and how long a request waits for one.

The wait is measured by asking for a connection as a request does, once a second.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress

import asyncpg

from nova_feed.away import POSTGRES_AWAY
from nova_feed.ops import metrics

EVERY_S, PATIENCE_S = 1.0, 5.0


async def watch(pools: Mapping[str, asyncpg.Pool], *, every_s: float = EVERY_S) -> None:
    """Look at each pool, by name, until cancelled. That a database is away is for the health checks to tell."""
    while True:
        look(pools)
        await asyncio.sleep(every_s)
        await asyncio.gather(*(_ask(name, pool) for name, pool in pools.items()))


def look(pools: Mapping[str, asyncpg.Pool]) -> None:
    """Set the gauges once."""
    for name, pool in pools.items():
        idle = pool.get_idle_size()
        metrics.POOL.labels(name, "used").set(pool.get_size() - idle)
        metrics.POOL.labels(name, "idle").set(idle)
        metrics.POOL.labels(name, "max").set(pool.get_max_size())


async def _ask(name: str, pool: asyncpg.Pool) -> None:
    start = time.monotonic()
    with suppress(*POSTGRES_AWAY):
        async with pool.acquire(timeout=PATIENCE_S):
            pass
        metrics.POOL_WAIT.labels(name).observe(time.monotonic() - start)
