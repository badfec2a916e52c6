"""Row 9: kill -9 of the Kafka broker under load, and a broker that is away for a while."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.faults.bench import Bench, hold
from tests.faults.nemesis import kill, stopped

pytestmark = pytest.mark.faults
_BACKLOG = "SELECT coalesce(sum(cardinality(positions)), 0)::bigint FROM nova_events_outbox WHERE NOT acked"


async def test_without_kafka_events_are_accepted_all_the_same_and_drained_afterwards(bench: Bench) -> None:
    async with bench.row(9, "kill -9 of the Kafka broker, then away") as line:
        async with bench.flowing(line) as load, bench.watch() as watch:
            with watch.fault():
                kill(bench.pid("kafka"))
                await hold(bench.of(4, 15))
                with stopped([bench.pid("kafka")]):
                    await hold(bench.of(15, 60))
                    peak = await _backlog(bench)
            at = time.monotonic()
            await load.stop()
            while await _backlog(bench):
                await asyncio.sleep(0.2)
                assert time.monotonic() - at < 120, "the backlog is never drained"
            drained = time.monotonic() - at
            await bench.normal(line, at)
        line.add(f"backlog peak {peak:,} events, drained at {peak / drained:,.0f}/s")
        await bench.judge(line, load)
        assert not load.bad(), load.cuts()
        bench.served(line, watch, "clickhouse", within_s=3)


async def _backlog(bench: Bench) -> int:
    """Events accepted that no broker acknowledged yet."""
    async with bench.connection() as connection:
        return int(await connection.fetchval(_BACKLOG))
