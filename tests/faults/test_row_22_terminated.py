"""Row 22: SIGTERM under load, first to one process of the API, then to the one that supervises them."""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.faults.bench import Bench, hold
from tests.faults.nemesis import runs
from tests.waiting import eventually

pytestmark = pytest.mark.faults
CLOSED = {"ConnectError", "RemoteProtocolError", "ReadError", "WriteError"}


async def test_a_terminated_api_finishes_what_it_began_and_loses_nothing(bench: Bench) -> None:
    async with bench.row(22, "SIGTERM of the API") as line:
        async with bench.flowing(line) as load:
            for which in (0, -1):
                pid, at = bench.api_pids()[which], time.monotonic()
                os.kill(pid, signal.SIGTERM)

                async def gone(pid: int = pid) -> bool:
                    return not runs(pid)

                await eventually(gone, 30)
                line.add(f"{'a process' if which == 0 else 'the whole API'} ended in {time.monotonic() - at:.1f} s")
                await bench.normal(line, at)
                await hold(1)
        line.add(f"{len(load.bad())} requests without an answer {load.cuts()}")
        await bench.judge(line, load)
        assert load.cuts().keys() <= CLOSED
        assert {answer.status for answer in load.bad()} <= {0, 503}
