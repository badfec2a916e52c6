"""How long a request waits for a connection: measured by asking for one as a request does, once a second."""

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
    """Until it is cancelled. A database that is away is none of its business: the health checks tell that."""
    while True:
        await asyncio.sleep(every_s)
        await asyncio.gather(*(_ask(name, pool) for name, pool in pools.items()))


async def _ask(name: str, pool: asyncpg.Pool) -> None:
    start = time.monotonic()
    with suppress(*POSTGRES_AWAY):
        async with pool.acquire(timeout=PATIENCE_S):
            pass
        metrics.POOL_WAIT.labels(name).observe(time.monotonic() - start)
