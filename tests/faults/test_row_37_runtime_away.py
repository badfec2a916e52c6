"""Row 37: the table of flags and configuration is gone: PostgreSQL is killed, or hangs while a worker starts."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.e2e.admin import Operator
from tests.faults.bench import Bench, hold
from tests.faults.nemesis import family, kill, stopped
from tests.faults.reload import APART, Readers
from tests.waiting import eventually

pytestmark = pytest.mark.faults
WEIGHT, DEFAULT = 2.5, 0.3


async def test_without_the_table_the_last_known_version_holds_or_what_the_settings_say_and_no_page_fails(
    bench: Bench,
) -> None:
    async with bench.row(37, "the table of flags and configuration is gone") as line:
        async with httpx.AsyncClient(base_url=bench.stack.facts["admin_url"], timeout=15) as http:
            operator = Operator(http, bench.stack)
            await operator.config(weight_freshness=WEIGHT, weight_affinity=WEIGHT + APART)
            await operator.settled()
            try:
                async with Readers(bench.stack) as readers:
                    kill(bench.pid("postgres"))
                    await hold(bench.of(2, 10))
                    await bench.normal(line, time.monotonic())
                with stopped(family(bench.pid("postgres"))):
                    await _replace_a_worker(bench)
                    async with Readers(bench.stack) as beside:
                        await hold(bench.of(3, 10))
            finally:
                await bench.normal(line, time.monotonic())
                await operator.back_to_settings()
        line.add(f"dead: {readers.told()}", f"hung, and a worker new: {beside.told()}")
        assert readers.statuses.keys() == {200}, readers.statuses
        assert {one.freshness for one in readers.seen} - {None} == {WEIGHT}
        assert beside.statuses.keys() == {200}, beside.statuses
        assert {one.freshness for one in beside.seen} <= {WEIGHT, DEFAULT, None}


async def _replace_a_worker(bench: Bench) -> None:
    """Kill a worker of the API; returns when another is there and answers."""
    before = bench.api_pids()
    victim = kill(before[0])

    async def is_whole() -> bool:
        now = bench.api_pids()
        return victim not in now and len(now) == len(before)

    await eventually(is_whole, 20)

    async def all_serve() -> bool:
        async with Readers(bench.stack) as some:
            await hold(0.5)
        return some.statuses.keys() == {200}

    await eventually(all_serve, 30)
