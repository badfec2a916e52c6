"""What a killed supervisor leaves behind, and how it is ended: with real processes in place of the parts."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from nova_feed.commands.down import _ORDER, down, end_leftovers, reset
from nova_feed.local import lock
from nova_feed.local.process import Process

PARTS = [part for group in _ORDER for part in group]
# Ends at a polite signal, and writes down which it was, in one line with its name.
POLITE = (
    'for how in TERM INT; do trap "echo $0 $how >> ended; kill -9 \\$!; exit" $how; done; sleep 60 & echo up; wait $!'
)
Start = Callable[..., Process]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def start(home: Path) -> Iterator[Start]:
    """Starts something in place of a part, and returns when it is up.

    A shell cannot trap a signal that it was born to ignore, and what a script starts with ``&`` ignores SIGINT, this
    test included. (PostgreSQL, which it stands for, takes the signal however it was started.)
    """
    started = []
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def one(part: str) -> Process:
        process = Process(home / "run" / f"{part}.pid", home / "logs" / f"{part}.log")
        started.append(process)
        process.start(("sh", "-c", f'cd "{home}"; {POLITE}', part), {})
        until = time.monotonic() + 10
        while "up" not in process.log_tail(1):
            assert time.monotonic() < until
            os.sched_yield()
        return process

    yield one
    for process in started:
        process.end(signal.SIGKILL, 5)
    signal.signal(signal.SIGINT, before)


def said(command: Callable[[Path, Console], None], home: Path) -> str:
    console = Console(file=io.StringIO(), width=500)
    command(home, console)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text.strip()


def test_leftovers_are_ended_politely_clients_before_servers(home: Path, start: Start) -> None:
    pids = [start(part).pid for part in PARTS]
    assert end_leftovers(home) == len(PARTS)
    ended = [line.split() for line in (home / "ended").read_text().splitlines()]
    order = [part for part, _ in ended]
    for group in _ORDER:
        ended_now, order = order[: len(group)], order[len(group) :]
        assert sorted(ended_now) == sorted(group)
    assert {part for part, how in ended if how == "INT"} == {"postgres"}
    assert not [pid for pid in pids if pid is not None and _runs(pid)]
    assert end_leftovers(home) == 0


def test_a_part_of_which_only_a_child_is_left_counts_and_is_ended(home: Path, start: Start) -> None:
    leader = psutil.Process(start("api").pid)
    [child] = leader.children()
    leader.kill()
    leader.wait(5)
    assert said(down, home) == "stopped"
    assert not _runs(child.pid)
    assert said(down, home) == "nothing was running"


def test_down_where_there_is_nothing_says_so_and_makes_nothing(home: Path) -> None:
    assert said(down, home) == "nothing was running"
    assert not home.exists()


def test_down_stops_the_supervisor_and_waits_for_it(home: Path) -> None:
    code = (
        "import signal, sys; from pathlib import Path; from nova_feed.local import lock\n"
        "with lock.hold(Path(sys.argv[1])): signal.sigwait({signal.SIGTERM})"
    )
    supervisor = subprocess.Popen([sys.executable, "-c", code, str(home)])
    try:
        until = time.monotonic() + 20
        while lock.holder(home) != supervisor.pid:
            assert time.monotonic() < until
            os.sched_yield()
        assert said(down, home) == "stopped"
        assert lock.holder(home) is None
        assert supervisor.wait(5) in {0, -signal.SIGTERM}
    finally:
        supervisor.kill()
        supervisor.wait(5)


def test_reset_ends_and_removes_all_of_it(home: Path, start: Start) -> None:
    pid = start("kafka").pid
    assert said(reset, home) == f"stopped\nremoved {home}"
    assert pid is not None
    assert not _runs(pid)
    assert not home.exists()


def _runs(pid: int) -> bool:
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
