"""Row 6: ClickHouse is slow: it works for 200 ms and stands still for 800 ms, again and again (SIGSTOP, SIGCONT)."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.faults.bench import Bench, hold
from tests.faults.breakers import OPENED
from tests.faults.viewers import VIEWERS

pytestmark = pytest.mark.faults
STILL_S, AT_WORK_S = 0.8, 0.2
SOON_S = 3.0


async def test_with_a_slow_clickhouse_the_deadline_is_kept_and_no_breaker_flaps(bench: Bench) -> None:
    async with bench.row(6, "ClickHouse slow: stopped 800 ms of every second") as line:
        async with bench.flowing(line) as load, bench.watch() as watch:
            breakers, seconds = bench.breakers(), bench.of(12, 60)
            await bench.forget_lists(VIEWERS[::2])
            with watch.fault():
                await _slow(bench.pid("clickhouse"), seconds)
            at = time.monotonic()
            await bench.normal(line, at)
            line.add(f"ranked again for all after {await watch.back():.1f} s", breakers.told("clickhouse"))
        await bench.judge(line, load)
        assert not load.bad(), load.cuts()
        opened = max((turns[OPENED] for turns in breakers.of("clickhouse").values()), default=0)
        assert opened <= 1 + seconds // 30, "a breaker flaps"
        bench.served(line, watch, "clickhouse", within_s=SOON_S)


async def _slow(pid: int, seconds: float) -> None:
    until = time.monotonic() + seconds
    try:
        while time.monotonic() < until:
            os.kill(pid, signal.SIGSTOP)
            await hold(STILL_S)
            os.kill(pid, signal.SIGCONT)
            await hold(AT_WORK_S)
    finally:
        os.kill(pid, signal.SIGCONT)
