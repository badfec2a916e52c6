"""Row 25: SIGSTOP of Valkey under load: it neither answers nor refuses."""

from __future__ import annotations

import time

import pytest

from tests.faults.bench import Bench, hold
from tests.faults.nemesis import stopped

pytestmark = pytest.mark.faults
SOON_S = 2.5


async def test_while_valkey_hangs_first_pages_are_ranked_each_time_and_nobody_waits_for_it(bench: Bench) -> None:
    async with bench.row(25, "SIGSTOP of Valkey") as line:
        async with bench.flowing(line) as load, bench.watch() as watch:
            breakers, before = bench.breakers(), watch.figures()
            with watch.fault(), stopped([bench.pid("valkey")]):
                await hold(bench.of(8, 60))
            at = time.monotonic()
            await bench.normal(line, at)
            line.add(f"cursors go on after {await watch.back():.1f} s", breakers.told("valkey"))
        line.add(f"before: P95 {before.p95:.0f} ms, longest {before.longest:.0f} ms")
        await bench.judge(line, load)
        assert not load.bad(), load.cuts()
        bench.served(line, watch, "clickhouse", within_s=SOON_S)  # which has more to do then
