"""How many connections the pools of this process hold, looked at while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import asyncpg

from nova_feed.ops import metrics


async def watch(pools: Mapping[str, asyncpg.Pool], every_s: float = 2.0) -> None:
    """Set the gauges of each pool, by name, until cancelled."""
    while True:
        look(pools)
        await asyncio.sleep(every_s)


def look(pools: Mapping[str, asyncpg.Pool]) -> None:
    """Set the gauges once."""
    for name, pool in pools.items():
        idle = pool.get_idle_size()
        metrics.POOL.labels(name, "used").set(pool.get_size() - idle)
        metrics.POOL.labels(name, "idle").set(idle)
        metrics.POOL.labels(name, "max").set(pool.get_max_size())
