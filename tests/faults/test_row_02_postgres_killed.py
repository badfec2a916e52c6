"""Row 2: kill -9 of PostgreSQL under load."""

from __future__ import annotations

import time

import pytest

from tests.faults.bench import Bench, hold
from tests.faults.nemesis import kill

pytestmark = pytest.mark.faults


async def test_while_postgresql_is_dead_a_post_is_503_and_the_feed_goes_on(bench: Bench) -> None:
    async with bench.row(2, "kill -9 of PostgreSQL") as line:
        async with bench.flowing(line) as load, bench.watch() as watch:
            with watch.fault():
                for _ in range(3 if bench.full else 1):
                    at = time.monotonic()
                    kill(bench.pid("postgres"))
                    await hold(bench.of(1, 5))
                    await bench.normal(line, at)
            await watch.back()
        first = min(answer.ended for answer in load.answers if answer.status == 202 and answer.began > at)
        line.add(f"first 202 after {first - at:.1f} s", f"slowest 503 {load.slowest(503):.2f} s")
        await bench.judge(line, load)
        assert {answer.status for answer in load.bad()} == {503}, load.cuts()
        assert all(answer.retry_after for answer in load.bad())
        bench.served(line, watch, within_s=3)
