"""How full the queues are: the outbox, and what each consumer group has before it."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence

import asyncpg
import structlog

from nova_feed.away import POSTGRES_AWAY
from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.ops import metrics
from nova_feed.stream.lag import Ages, Place, Position

log = structlog.get_logger(__name__)
LONGEST_S = 3.0  # of a question that somebody waits for
GROUPS = ("nova_cdc", "events_group", "recent_group", "nova_relations")
_PENDING = """
SELECT count(*) AS requests, coalesce(sum(cardinality(positions)), 0)::bigint AS events, min(accepted_ms) AS oldest_ms
FROM nova_events_outbox WHERE NOT acked
"""
Lag = Callable[[str], Awaitable[Mapping[str, int]]]
Positions = Callable[[str], Awaitable[Mapping[Place, Position]]]


async def watch(
    pool: asyncpg.Pool, positions: Positions, clock: Clock, groups: Sequence[str] = GROUPS, every_s: float = 5
) -> None:
    """Set the gauges until cancelled; ``positions(group)`` says where a group stands.

    A server that is away leaves its gauges as they were.
    """
    ages = {group: Ages() for group in groups}
    while True:
        try:
            events, age_s = await pending(pool, clock.now_ms())
            metrics.OUTBOX_EVENTS.set(events)
            metrics.OUTBOX_AGE.set(age_s)
        except POSTGRES_AWAY as error:
            log.warning("levels.unknown", store="postgres", reason=str(error))
        for group in groups:
            try:
                tell(group, await positions(group), ages[group], clock.monotonic())
            except StoreUnavailableError as error:
                log.warning("levels.unknown", store=error.store, group=group, reason=error.reason)
        await asyncio.sleep(every_s)


def tell(group: str, found: Mapping[Place, Position], ages: Ages, now_s: float) -> None:
    """Set the gauges of one group from where it stands."""
    behind: Counter[str] = Counter()
    committed: Counter[str] = Counter()
    seconds: defaultdict[str, float] = defaultdict(float)
    for (topic, partition), position in found.items():
        behind[topic] += position.behind
        committed[topic] += position.committed
        seconds[topic] = max(seconds[topic], ages.seconds((topic, partition), position, now_s))
        metrics.PARTITION_LAG.labels(group, topic, str(partition)).set(position.behind)
    for topic, records in behind.items():
        metrics.CONSUMER_LAG.labels(group, topic).set(records)
        metrics.CONSUMER_OFFSET.labels(group, topic).set(committed[topic])
        metrics.CONSUMER_LAG_SECONDS.labels(group, topic).set(seconds[topic])
        if group == "nova_cdc":
            metrics.CDC_LAG_SECONDS.labels(topic.removeprefix("cdc.")).set(seconds[topic])


async def lag_or_none(lag: Lag, groups: Sequence[str] = GROUPS) -> dict[str, dict[str, int] | None]:
    """Consumer group -> topic -> records before it; None for one that nobody answered about within ``LONGEST_S``."""

    async def one(group: str) -> dict[str, int] | None:
        try:
            async with asyncio.timeout(LONGEST_S):
                return dict(await lag(group))
        except (StoreUnavailableError, TimeoutError):
            return None

    return dict(zip(groups, await asyncio.gather(*map(one, groups)), strict=True))


async def pending_or_none(pool: asyncpg.Pool, now_ms: int) -> tuple[int | None, float | None]:
    """As ``pending``; Nones when PostgreSQL does not answer within ``LONGEST_S``."""
    try:
        async with asyncio.timeout(LONGEST_S):
            return await pending(pool, now_ms)
    except POSTGRES_AWAY:
        return None, None


async def pending(pool: asyncpg.Pool | asyncpg.Connection, now_ms: int) -> tuple[int, float]:
    """Accepted events that the broker has not acknowledged, and the age of the oldest in seconds."""
    row = await pool.fetchrow(_PENDING, timeout=10)
    assert row is not None
    return row["events"], max(0.0, (now_ms - row["oldest_ms"]) / 1000) if row["events"] else 0.0
