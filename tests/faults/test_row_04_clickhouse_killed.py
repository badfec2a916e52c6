"""Row 4: kill -9 of ClickHouse under load, and it stays away for a while."""

from __future__ import annotations

import time

import pytest

from tests.faults.bench import READS, Bench, hold
from tests.faults.breakers import OPENED
from tests.faults.nemesis import kill
from tests.faults.viewers import VIEWERS

pytestmark = pytest.mark.faults
SOON_S = 3.0
LONGER_THAN_KEPT_S = 13  # for 10 s lists may be ranked of what is in the processes, and no breaker opens


async def test_without_clickhouse_the_feed_is_a_timeline_in_time_and_events_are_accepted(bench: Bench) -> None:
    async with bench.row(4, "kill -9 of ClickHouse, then away") as line:
        rate = READS * bench.of(1, 3)
        async with bench.flowing(line) as load, bench.watch(rate) as watch:
            breakers = bench.breakers()
            with bench.nobody_restarts():
                await bench.forget_lists(VIEWERS[::2])
                with watch.fault():
                    kill(bench.pid("clickhouse"))
                    await hold(bench.of(LONGER_THAN_KEPT_S, 60))
                opened = {pid: turns[OPENED] for pid, turns in breakers.of("clickhouse").items()}
            at = time.monotonic()
            await bench.normal(line, at)
            line.add(f"ranked again for all after {await watch.back():.1f} s", breakers.told("clickhouse"))
        await bench.judge(line, load)
        assert not load.bad(), load.cuts()
        assert opened.keys() == set(bench.api_pids()[:-1]), "a breaker did not open"
        bench.served(line, watch, "clickhouse", within_s=SOON_S)
        assert watch.figures().fallback
