"""Row 1: kill -9 of a process of the API under load."""

from __future__ import annotations

import time

import pytest

from tests.faults.bench import Bench, as_coroutine, hold
from tests.faults.nemesis import family, kill, stopped
from tests.waiting import eventually

pytestmark = pytest.mark.faults


async def test_a_killed_api_process_loses_nothing_and_what_is_retried_is_counted_once(bench: Bench) -> None:
    async with bench.row(1, "kill -9 of API processes") as line:
        async with bench.flowing(line) as load:
            for _ in range(5 if bench.full else 2):
                victim = bench.api_pids()[0]
                # While PostgreSQL holds its breath, requests pile up whose statements are sent but not yet committed:
                # the process that would tell of it dies, and only then it is done.
                with stopped(family(bench.pid("postgres"))):
                    await eventually(lambda: as_coroutine(load.on_the_way >= load.clients - 2), 5)
                    at = time.monotonic()
                    kill(victim)
                await hold(bench.of(0.5, 5))
                await bench.normal(line, at)
        line.add(f"errors for {load.error_window_s() * 1000:.0f} ms, {len(load.bad())} requests cut {load.cuts()}")
        line.add(f"{load.history.count('duplicate')} events were committed though nobody could say so")
        await bench.judge(line, load)
        assert load.cuts(), "the fault hit no request"
