"""What must be done now and then: partitions for the days to come."""

from __future__ import annotations

import asyncio

import asyncpg


async def event_days(pool: asyncpg.Pool, every_s: float = 3600) -> None:
    """Make the partitions that accepted events will need, every hour, until cancelled."""
    while True:
        await pool.execute("SELECT nova_ensure_event_days()")
        await asyncio.sleep(every_s)
