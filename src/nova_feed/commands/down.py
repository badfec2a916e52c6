"""``nova down`` and ``nova reset``: stop what `nova up` started, and what a crash of it left; forget its data."""

from __future__ import annotations

import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from rich.console import Console

from nova_feed.errors import NovaError
from nova_feed.local import lock
from nova_feed.local.postgres import STATE, Postgres
from nova_feed.local.process import Process

DEADLINE_S = 90  # clients 25 s, Connect 20 s, servers 20 s: none of them is waited for longer


def down(home: Path, console: Console) -> None:
    """Ask the supervising process to stop and wait; then end what an earlier one left. Raises NovaError."""
    stopped = _stop_supervisor(home)
    if home.exists():
        with lock.alone(home):  # or a stack that starts at this moment would be taken for a leftover
            stopped += end_leftovers(home)
    console.print("stopped" if stopped else "nothing was running")


def reset(home: Path, console: Console) -> None:
    """Stop everything and remove the home folder with all data."""
    down(home, console)
    if home.exists():
        with lock.alone(home):
            folder = Postgres(home.absolute(), 1).folder
            if STATE in folder.parents:
                shutil.rmtree(folder, ignore_errors=True)
            shutil.rmtree(home, ignore_errors=True)
    console.print(f"removed {home}")


def end_leftovers(home: Path) -> int:
    """A supervisor that was killed leaves its parts running: end them, clients first; returns how many there were.

    Parts of a group are ended at once, a group after the one before it. Only for who holds the lock.
    """
    with ThreadPoolExecutor() as pool:
        return sum(sum(pool.map(lambda part: _end(home, part), group)) for group in _ORDER)


def _stop_supervisor(home: Path) -> int:
    pid = lock.holder(home)
    if pid is None:
        return 0
    with suppress(ProcessLookupError):  # it ended by itself between two looks at it
        os.kill(pid, signal.SIGTERM)
    until = time.monotonic() + DEADLINE_S
    while lock.holder(home) == pid:
        if time.monotonic() > until:
            raise NovaError(f"process {pid} did not stop within {DEADLINE_S} s: look at {home / 'logs'}")
        time.sleep(0.1)
    return 1


def _end(home: Path, part: str) -> bool:
    process = Process(home.absolute() / "run" / f"{part}.pid", home / "logs" / f"{part}.log")
    return process.end(signal.SIGINT if part == "postgres" else signal.SIGTERM, 20)


_ORDER = (
    ("prometheus", "alertmanager"),
    ("api", "worker"),
    ("connect",),
    ("kafka", "kafka-2", "kafka-3", "clickhouse", "valkey", "postgres"),
)
