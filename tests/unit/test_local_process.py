"""Child processes: started, found again, stopped, and what a crash left is ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from nova_feed.local.process import LOG_LIMIT_BYTES, MARK, Process

SLEEP = ("sleep", "60")
STUBBORN = ("sh", "-c", "trap '' TERM; sleep 60 & echo ready; wait; wait")


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path / "run" / "part.pid", tmp_path / "logs" / "part.log")
    yield process
    process.end(signal.SIGKILL, 5)


def another_start(process: Process) -> Process:
    """What a new supervisor sees: the same files, and no child of its own."""
    return Process(process.pid_file, process.log)


def until_said(process: Process, word: str) -> None:
    until = time.monotonic() + 5
    while word not in process.log_tail(10):
        assert time.monotonic() < until, process.log_tail(10)
        os.sched_yield()


def pid_of(process: Process) -> int:
    assert process.pid is not None
    return process.pid


def test_before_the_start_there_is_no_process(process: Process) -> None:
    assert (process.pid, process.alive(), process.log_tail(5)) == (None, False, "(no output)")
    process.stop(signal.SIGTERM, 1)


def test_a_started_process_runs_in_a_session_of_its_own_and_carries_our_mark(process: Process) -> None:
    process.start(SLEEP, {"NAME": "value"})
    pid = pid_of(process)
    assert process.alive()
    assert os.getsid(pid) == pid
    until = time.monotonic() + 5
    while MARK not in (environment := psutil.Process(pid).environ()) and time.monotonic() < until:
        os.sched_yield()  # the kernel shows another environment, or none, while the new image is laid out
    assert (environment["NAME"], environment[MARK]) == ("value", str(process.pid_file))


def test_a_stopped_process_is_gone_with_its_pid_file(process: Process) -> None:
    process.start(SLEEP, {})
    pid = pid_of(process)
    process.stop(signal.SIGTERM, 5)
    assert not psutil.pid_exists(pid)
    assert (process.pid, process.alive(), process.pid_file.exists()) == (None, False, False)


def test_a_process_that_does_not_listen_is_killed_with_its_children(process: Process) -> None:
    process.start(STUBBORN, {})
    until_said(process, "ready")
    leader = psutil.Process(pid_of(process))
    family = [leader, *leader.children(recursive=True)]
    assert len(family) == 2
    process.stop(signal.SIGTERM, 0.1)
    assert not any(member.is_running() for member in family)


def test_a_process_that_was_killed_is_noticed(process: Process) -> None:
    process.start(SLEEP, {})
    pid = pid_of(process)
    os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid)], timeout=5)
    assert not process.alive()


def test_a_process_whose_pid_file_was_lost_is_stopped_all_the_same(process: Process) -> None:
    process.start(SLEEP, {})
    pid = pid_of(process)
    process.pid_file.unlink()
    process.stop(signal.SIGTERM, 5)
    assert not psutil.pid_exists(pid)


def test_a_later_supervisor_finds_the_process(process: Process) -> None:
    process.start(SLEEP, {})
    later = another_start(process)
    assert later.alive()
    assert later.pid == process.pid


def test_a_start_ends_what_an_earlier_one_left(process: Process) -> None:
    process.start(SLEEP, {})
    left = psutil.Process(pid_of(process))
    later = another_start(process)
    later.start(SLEEP, {})
    assert later.pid != left.pid
    assert not left.is_running() or left.status() == psutil.STATUS_ZOMBIE
    later.stop(signal.SIGTERM, 5)


def test_children_of_a_leader_that_was_killed_are_ended(process: Process) -> None:
    process.start(STUBBORN, {})
    until_said(process, "ready")
    [orphan] = psutil.Process(pid_of(process)).children()
    os.kill(pid_of(process), signal.SIGKILL)
    process.end(signal.SIGTERM, 5)
    assert not orphan.is_running()


@pytest.mark.parametrize(
    "text",
    ["", "not json", "{}", '{"pid": 1}', '{"pid": 999999999, "began": ""}', f'{{"pid": {os.getpid()}, "began": "5"}}'],
)
def test_a_pid_that_is_not_ours_is_never_taken_for_the_process(process: Process, text: str) -> None:
    process.pid_file.parent.mkdir(parents=True)
    process.pid_file.write_text(text)
    assert (process.pid, process.alive()) == (None, False)


def test_the_output_is_in_the_log_and_its_tail_can_be_shown(process: Process) -> None:
    process.start(("sh", "-c", "for i in 1 2 3 4 5; do echo line $i; done >&2"), {})
    until_said(process, "line 5")
    assert process.log_tail(2) == "line 4\nline 5"


def test_a_log_that_grew_too_large_makes_room(process: Process) -> None:
    process.log.parent.mkdir(parents=True)
    with process.log.open("wb") as file:
        file.truncate(LOG_LIMIT_BYTES + 1)
    process.start(("true",), {})
    assert process.log.with_suffix(".log.1").stat().st_size == LOG_LIMIT_BYTES + 1
    assert process.log.stat().st_size == 0
