"""What must be done now and then: partitions for the days to come, an end to those of days past."""

from __future__ import annotations

import asyncio

import asyncpg
import structlog

log = structlog.get_logger(__name__)


async def event_days(pool: asyncpg.Pool, every_s: float = 3600) -> None:
    """Every hour: make the partitions that accepted events will need, drop those no retry can meet. Until cancelled."""
    while True:
        await pool.execute("SELECT nova_ensure_event_days()")
        await drop_past_days(pool)
        await pool.execute("DELETE FROM nova_events_minutes WHERE minute < now() - interval '30 days'")
        await asyncio.sleep(every_s)


async def drop_past_days(pool: asyncpg.Pool) -> list[str]:
    """Drop the dedup rows of past days; returns the partitions. Inserts never wait for it long: it gives up first."""
    async with pool.acquire(timeout=5) as connection:
        days = [row[0] for row in await connection.fetch("SELECT nova_past_event_days()::text")]
        for day in days:
            async with connection.transaction():
                await connection.execute("SET LOCAL lock_timeout = '500ms'")
                await connection.execute(f"DROP TABLE {day}")
            log.info("event_day.dropped", partition=day)
    return days
