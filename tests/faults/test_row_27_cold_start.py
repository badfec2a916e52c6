"""Row 27: a cold start: no process knows anything, no cache has anything, and all clients return at once."""

from __future__ import annotations

import time

import pytest

from tests.faults.bench import READS, Bench, as_coroutine, hold, or_none
from tests.faults.nemesis import kill
from tests.faults.watch import LEAST, MOST, Watch
from tests.waiting import eventually

pytestmark = pytest.mark.faults
EVERYBODY = range(1, 1001)
TIMES = 5  # the usual readers
BIN_S, GOOD = 0.5, 0.99


async def test_a_herd_at_a_cold_start_is_answered_or_told_when_to_come_again(bench: Bench) -> None:
    async with bench.row(27, "cold start, all clients return at once") as line:
        async with bench.watch(READS, EVERYBODY) as watch, bench.valkey() as valkey, bench.client() as http:

            async def listens() -> bool:
                return (await http.get("/health/live")).status_code == 200

            breakers, before = bench.breakers(), watch.figures()
            with watch.nobody_asks():
                killed = bench.api_pids()
                for pid in reversed(killed):  # first the one that would start the others again
                    kill(pid)
                await valkey.flushall()
                await eventually(lambda: as_coroutine(set(killed).isdisjoint(bench.api_pids())), 60)
                await eventually(lambda: or_none(listens()), 60)
            watch.rate = READS * TIMES
            with watch.fault():
                watch.all_return()
                await hold(bench.of(10, 30))
            watch.rate, at = READS, time.monotonic()
            await bench.normal(line, at)
            await watch.back()
        line.add(f"before: P95 {before.p95:.0f} ms at {READS:.0f}/s; {MOST} at once, then {READS * TIMES:.0f}/s")
        line.add(f"{GOOD:.0%} answered from {_good_after_s(watch):.1f} s on, {watch.turned_away} did not get a turn")
        line.add(breakers.told("clickhouse"), breakers.told("valkey"))
        assert {look.status for look in watch.looks if look.began > watch.began} <= {200, 503}
        assert all(look.again for look in watch.looks if look.status == 503)
        # On a slow machine more come than can be ranked at once: who is one too many is told so, and nobody else waits
        # for them. The long form asks for everybody.
        bench.served(line, watch, "clickhouse", within_s=8, least=LEAST if bench.full else 0.0)


def _good_after_s(watch: Watch) -> float:
    """From when on nearly everybody was answered, in seconds after the herd came."""
    looks = [look for look in watch.looks if watch.began <= look.began <= watch.ended]
    bins: dict[int, list[bool]] = {}
    for look in looks:
        bins.setdefault(int((look.began - watch.began) / BIN_S), []).append(look.status == 200)
    poor = [place for place, good in bins.items() if sum(good) < GOOD * len(good)]
    return (max(poor) + 1) * BIN_S if poor else 0.0
