"""Row 5: SIGSTOP of ClickHouse under load: it neither answers nor refuses. A crowd comes when it is asked again."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.faults.bench import SHORT_LEAST, Bench, as_coroutine, hold
from tests.faults.breakers import OPENED, PROBED
from tests.faults.nemesis import stopped
from tests.faults.viewers import VIEWERS
from tests.waiting import eventually

pytestmark = pytest.mark.faults
SOON_S = 3.0  # one question's deadline, and a timeline
OPEN_S = 30.0
CROWD = 200


async def test_while_clickhouse_hangs_the_feed_is_a_timeline_and_one_question_finds_out_for_a_crowd(
    bench: Bench,
) -> None:
    async with bench.row(5, "SIGSTOP of ClickHouse") as line:
        async with bench.flowing(line) as load, bench.watch() as watch:
            breakers, apis = bench.breakers(), set(bench.api_pids()[:-1])
            with watch.fault(), stopped([bench.pid("clickhouse")]):
                await bench.forget_lists(VIEWERS[::2])

                def all_open() -> bool:
                    return {pid for pid, turns in breakers.of("clickhouse").items() if turns[OPENED]} == apis

                await eventually(lambda: as_coroutine(all_open()), 30)
                await bench.forget_lists(VIEWERS)
                await hold(OPEN_S)
                crowd = [VIEWERS[n % len(VIEWERS)] for n in range(CROWD)]
                looks = await asyncio.gather(*(watch.first(viewer) for viewer in crowd))
                probed = {pid: breakers.of("clickhouse")[pid][PROBED] for pid in apis}
                await hold(bench.of(1, 20))
            at = time.monotonic()
            await bench.normal(line, at)
            line.add(f"ranked again for all after {await watch.back():.1f} s", breakers.told("clickhouse"))
        slowest = max(look.seconds for look in looks)
        line.add(f"{CROWD} at once when it half-opens: probes {sorted(probed.values())}, slowest {slowest:.2f} s")
        await bench.judge(line, load)
        assert not load.bad(), load.cuts()
        assert probed == dict.fromkeys(apis, 1)
        assert {look.status for look in looks} <= {200, 503}
        assert sum(look.status == 200 for look in looks) >= CROWD * (1 if bench.full else SHORT_LEAST)
        bench.served(line, watch, "clickhouse", within_s=SOON_S)
        assert watch.figures().fallback
