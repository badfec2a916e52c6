"""Row 3: SIGSTOP of every PostgreSQL process under load: it neither answers nor refuses."""

from __future__ import annotations

import time

import pytest

from tests.faults.bench import Bench, hold
from tests.faults.nemesis import family, stopped

pytestmark = pytest.mark.faults
SOON_S = 2.5


async def test_while_postgresql_hangs_a_post_is_503_in_time_and_the_feed_goes_on(bench: Bench) -> None:
    async with bench.row(3, "SIGSTOP of PostgreSQL") as line:
        async with bench.flowing(line) as load, bench.watch() as watch:
            with watch.fault(), stopped(family(bench.pid("postgres"))):
                began = time.monotonic()
                await hold(bench.of(10, 30))
            at = time.monotonic()
            await bench.normal(line, at)
            await watch.back()
        hung = [answer for answer in load.answers if began < answer.began < at - SOON_S]
        line.add(f"{len(hung)} answers 503, P99 {load.slowest(503, 99):.2f} s, slowest {load.slowest(503):.2f} s")
        await bench.judge(line, load)
        assert hung
        assert {answer.status for answer in hung} == {503}, load.cuts()
        assert load.slowest(503) <= SOON_S
        bench.served(line, watch, within_s=SOON_S)
