"""Row 26: FLUSHALL under load, while a hundred requests for one viewer come at once."""

from __future__ import annotations

import asyncio
import time

import pytest

from nova_feed.errors import StoreUnavailableError
from tests.faults.bench import Bench, hold
from tests.faults.viewers import VIEWERS
from tests.faults.watch import Look

pytestmark = pytest.mark.faults
SOON_S = 2.5
HOT, CROWD = VIEWERS[-1], 100  # times the wipes: less than one user may read in a minute
_RUNNING = "SELECT toInt64(count()) AS n FROM system.processes"


async def test_a_cache_that_is_wiped_is_built_anew_once_for_each_viewer_and_process(bench: Bench) -> None:
    async with bench.row(26, "FLUSHALL of Valkey under load of reads") as line:
        wiped, most, longest, refused = 0, 0, 0.0, list[Look]()
        async with bench.flowing(line) as load, bench.watch() as watch, bench.valkey() as valkey:
            breakers, before = bench.breakers(), watch.figures()
            at_once = asyncio.create_task(_most_at_once(bench))
            with watch.fault():
                for _ in range(5 if bench.full else 3):
                    wiped = max(wiped, await valkey.dbsize())
                    at = time.monotonic()
                    await valkey.flushall()
                    looks = await asyncio.gather(*(watch.first(HOT) for _ in range(CROWD)))
                    made = {look.as_of for look in looks if look.status == 200 and look.source != "cached"}
                    most, refused = max(most, len(made)), refused + [look for look in looks if look.status != 200]
                    await hold(bench.of(3, 6))
                    slow = [look for look in watch.looks if look.began > at and look.seconds * 1000 > before.longest]
                    longest = max(longest, *(look.began + look.seconds - at for look in slow), 0.0)
            at_once.cancel()
            line.add(f"{await at_once} queries at once in ClickHouse at most")
            await bench.normal(line, at)
            await watch.back()
        line.add(
            f"{wiped:,} keys wiped, {CROWD} at once for one viewer: {most} lists made by {len(bench.api_pids()) - 1}"
        )
        line.add(f"no answer slower than before after {longest:.1f} s", breakers.told("valkey"))
        await bench.judge(line, load)
        assert not load.bad(), load.cuts()
        assert 0 < most <= len(bench.api_pids()) - 1
        assert all(look.status == 503 and look.again for look in refused), refused  # a process was full, and says so
        bench.served(line, watch, "clickhouse", within_s=SOON_S)  # which has more to do then


async def _most_at_once(bench: Bench) -> int:
    """Until cancelled."""
    most = 0
    while True:
        try:
            most = max(most, int((await bench.store.sql(_RUNNING))["n"][0]))
            await asyncio.sleep(0.02)
        except StoreUnavailableError:
            continue
        except asyncio.CancelledError:
            return most
