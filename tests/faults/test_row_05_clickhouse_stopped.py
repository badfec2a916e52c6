"""Row 5: SIGSTOP of ClickHouse under load: it neither answers nor refuses. A crowd comes when it is asked again."""

from __future__ import annotations

import asyncio
import time

import pytest

from nova_feed.serving.admit import AGAIN_S
from tests.faults.bench import Bench, as_coroutine, hold
from tests.faults.breakers import OPENED, PROBED
from tests.faults.nemesis import stopped
from tests.faults.viewers import VIEWERS
from tests.faults.watch import Look, Watch
from tests.waiting import eventually

pytestmark = pytest.mark.faults
SOON_S = 3.0  # one question's deadline, and a timeline
OPEN_S = 30.0
CROWD = 200
TIMES = 3  # somebody comes again who is told to


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
                later = await asyncio.gather(*(come_again(watch, look) for look in looks if look.status != 200))
                await hold(bench.of(1, 20))
            at = time.monotonic()
            await bench.normal(line, at)
            line.add(f"ranked again for all after {await watch.back():.1f} s", breakers.told("clickhouse"))
        slowest = max(look.seconds for look in looks)
        line.add(f"{CROWD} at once when it half-opens: probes {sorted(probed.values())}, slowest {slowest:.2f} s, "
                 f"{len(later)} told to come again")  # fmt: skip
        await bench.judge(line, load)
        assert not load.bad(), load.cuts()
        assert probed == dict.fromkeys(apis, 1)
        # How many a process lets in at once depends on how fast the machine is: the rest is told when to come again.
        assert all(look.status == 200 or (look.status == 503 and look.again) for look in looks)
        assert sum(look.status == 200 for look in looks) >= CROWD / 2
        assert {look.status for look in later} <= {200}
        bench.served(line, watch, "clickhouse", within_s=SOON_S)
        assert watch.figures().fallback


async def come_again(watch: Watch, refused: Look) -> Look:
    """Do as a client does who is refused: the last answer of so many."""
    for _ in range(TIMES):
        await hold(AGAIN_S)
        look = await watch.first(refused.viewer)
        if look.status == 200:
            break
    return look
