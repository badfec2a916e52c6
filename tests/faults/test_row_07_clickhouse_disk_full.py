"""Row 7: the disk of ClickHouse is full under load. It is given a small disk of its own for that, which needs root."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.faults.bench import Bench, hold
from tests.faults.nemesis import kill, runs, stopped
from tests.waiting import eventually

pytestmark = pytest.mark.faults
ROOMY, LEFT = 4_000_000_000, 300_000  # bytes
WAITING = 5_000  # records, more than a consumer under this load is ever behind


async def test_with_a_full_disk_events_are_accepted_and_arrive_when_there_is_room(bench: Bench) -> None:
    async with bench.row(7, "disk of ClickHouse full") as line:
        if sys.platform != "linux" or os.geteuid() != 0:
            pytest.skip("cannot run here: only root can give ClickHouse a small disk")
        async with _own_disk(bench) as disk:
            async with bench.flowing(line) as load, bench.watch() as watch:
                with watch.fault():
                    await eventually(_Shrinking(bench, disk).is_full, 60)
                    await hold(bench.of(6, 30))
                late = await bench.lag()
                _resize(disk, ROOMY)
                at = time.monotonic()
                await bench.normal(line, at)
            line.add(f"{late:,} records behind when there was room again")
            await bench.judge(line, load)
            assert not load.bad(), load.cuts()
            bench.served(line, watch, "clickhouse", within_s=5)


class _Shrinking:
    """A disk that keeps no more than a little room. ClickHouse removes the parts it has merged; once that gave it
    enough for as long as the test was ready to wait, so what it gives back is taken away again."""

    def __init__(self, bench: Bench, disk: Path) -> None:
        self._bench, self._disk, self._size = bench, disk, ROOMY

    async def is_full(self) -> bool:
        """Nothing can be stored any more: records wait."""
        if await self._bench.lag() > WAITING:
            return True
        size = shutil.disk_usage(self._disk).used + LEFT
        if size < self._size:
            with suppress(subprocess.CalledProcessError):  # more than that was written meanwhile: the next time, then
                _resize(self._disk, size)
                self._size = size
        return False


@asynccontextmanager
async def _own_disk(bench: Bench) -> AsyncIterator[Path]:
    """ClickHouse's data on a disk in memory; on the way out they are back where they were, with what came since."""
    data = bench.stack.home / "clickhouse" / "data"
    aside = data.with_name("aside")
    async with _standing_still(bench):
        data.rename(aside)
        data.mkdir()
        _run("mount", "-t", "tmpfs", "-o", f"size={ROOMY}", "nova-faults", str(data))
        await asyncio.to_thread(shutil.copytree, aside, data, symlinks=True, dirs_exist_ok=True)
    try:
        yield data
    finally:
        async with _standing_still(bench):
            shutil.rmtree(aside)
            await asyncio.to_thread(shutil.copytree, data, aside, symlinks=True)
            _run("umount", str(data))
            data.rmdir()
            aside.rename(data)


@asynccontextmanager
async def _standing_still(bench: Bench) -> AsyncIterator[None]:
    """ClickHouse is down, and nobody starts it; afterwards it is started and answers."""
    pid = bench.pid("clickhouse")
    with stopped([bench.stack.facts["supervisor_pid"]]):
        os.kill(pid, signal.SIGTERM)

        async def is_down() -> bool:
            return not runs(pid)

        try:
            await eventually(is_down, 20)
        except AssertionError:
            kill(pid)
            await eventually(is_down, 5)
        yield

    async def answers() -> bool:
        return bench.stack.pid("clickhouse") not in {None, pid} and await bench.clickhouse_answers()

    await eventually(answers, 60)


def _resize(disk: Path, size: int) -> None:
    _run("mount", "-o", f"remount,size={size}", str(disk))


def _run(*argv: str) -> None:
    subprocess.run(argv, check=True, capture_output=True, timeout=30)
