"""What the servers say of themselves: who answers, the slot, ClickHouse's freshness and disks, Valkey's memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import asyncpg
import redis.asyncio as redis
import structlog
from redis.exceptions import RedisError

from nova_feed.away import POSTGRES_AWAY
from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.ops import metrics
from nova_feed.ops.health import Check, check_all
from nova_feed.store.client import Store

log = structlog.get_logger(__name__)
SLOT = "nova_slot"
_AWAY: tuple[type[Exception], ...] = (StoreUnavailableError, RedisError, *POSTGRES_AWAY)
WAL = ("reserved", "extended", "unreserved", "lost")
_SLOT = """
SELECT active, wal_status, pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint AS behind
FROM pg_replication_slots WHERE slot_name = $1
"""


@dataclass(frozen=True, slots=True)
class Servers:
    """``checks`` asks each server whether it is there."""

    pool: asyncpg.Pool
    store: Store
    valkey: redis.Redis
    checks: Mapping[str, Check]
    clock: Clock

    async def watch(self, every_s: float = 5.0) -> None:
        """Look at every server until cancelled. One that is away leaves what it said last, and its part_up is 0."""
        while True:
            looks = (self.parts, self.slot, self.clickhouse, self.memory)
            await asyncio.gather(*(_quietly(look) for look in looks))
            await asyncio.sleep(every_s)

    async def parts(self) -> None:
        """Whether each server answers."""
        for name, health in (await check_all(self.checks, self.clock)).items():
            metrics.PART_UP.labels(name).set(health.up)

    async def slot(self) -> None:
        """The replication slot; one that is gone is as bad as one that is lost."""
        row = await self.pool.fetchrow(_SLOT, SLOT, timeout=5)
        status = "lost" if row is None else row["wal_status"]
        for name in WAL:
            metrics.SLOT_WAL.labels(SLOT, name).set(name == status)
        metrics.SLOT_ACTIVE.labels(SLOT).set(row is not None and row["active"])
        if row is not None and row["behind"] is not None:
            metrics.SLOT_LAG.labels(SLOT).set(row["behind"])

    async def clickhouse(self) -> None:
        """How old ClickHouse's copy and counters are, and what room it has."""
        fresh, now_ms = await self.store.select("freshness"), self.clock.now_ms()
        metrics.CDC_HEARTBEAT_AGE.set(max(0, now_ms - int(fresh["heartbeat_ms"][0])) / 1000)
        metrics.CH_COUNTERS_AGE.set(max(0, now_ms - int(fresh["counters_ms"][0])) / 1000)
        disks = await self.store.select("disks")
        for disk, free, size in zip(*(disks[name].tolist() for name in ("disk", "free", "size")), strict=True):
            metrics.DISK_FREE.labels(disk).set(free)
            metrics.DISK_SIZE.labels(disk).set(size)

    async def memory(self) -> None:
        """Valkey's memory, and the keys that left it."""
        info = await self.valkey.info()
        metrics.VALKEY_MEMORY.labels("used").set(info["used_memory"])
        metrics.VALKEY_MEMORY.labels("max").set(info["maxmemory"])
        metrics.VALKEY_KEYS.labels("evicted").set(info["evicted_keys"])
        metrics.VALKEY_KEYS.labels("expired").set(info["expired_keys"])


async def _quietly(look: Callable[[], Awaitable[None]]) -> None:
    try:
        await look()
    except _AWAY as error:
        log.warning("servers.unknown", look=look.__name__, reason=str(error) or type(error).__name__)
