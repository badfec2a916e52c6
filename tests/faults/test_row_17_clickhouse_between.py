"""Row 17: ClickHouse is killed after it stored a batch and before it could commit that it read it."""

from __future__ import annotations

import time

import pytest

from tests.faults import visible
from tests.faults.bench import Bench, hold
from tests.faults.load import Load
from tests.faults.nemesis import kill, stopped
from tests.waiting import eventually

pytestmark = pytest.mark.faults
STILL_S = 0.6  # more than two flushes of the queue


async def test_a_batch_that_was_stored_but_not_committed_is_received_again_and_counted_once(bench: Bench) -> None:
    async with bench.row(17, "kill -9 of ClickHouse between insert and commit") as line:
        async with bench.flowing(line, rate=3_000) as load, bench.watch() as watch:
            with watch.fault():
                for _ in range(5 if bench.full else 1):
                    with stopped([bench.pid("kafka")]):
                        await _all_stored(bench, load)
                        kill(bench.pid("clickhouse"))
                    at = time.monotonic()
                    await bench.normal(line, at)
        await bench.judge(line, load)
        bench.served(line, watch, "clickhouse", within_s=5)


async def _all_stored(bench: Bench, load: Load) -> None:
    """What had been fetched is in the table, and no broker hears of it."""

    async def is_still() -> bool:
        before = await visible.count_of(bench.store, load.world.post_ids)
        await hold(STILL_S)
        return before > 0 and await visible.count_of(bench.store, load.world.post_ids) == before

    await eventually(is_still, 15)
