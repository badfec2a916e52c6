"""What is done to processes, by pid."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import psutil


def kill(pid: int) -> int:
    """kill -9; returns the pid."""
    os.kill(pid, signal.SIGKILL)
    return pid


def family(pid: int) -> list[int]:
    """A process and all its descendants, itself first."""
    return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]


@contextmanager
def stopped(pids: Sequence[int]) -> Iterator[None]:
    """SIGSTOP all of them; SIGCONT on the way out, whatever happens. Who is gone by then is left alone."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in reversed(pids):
            if psutil.pid_exists(pid):
                os.kill(pid, signal.SIGCONT)


def runs(pid: int) -> bool:
    """Whether there is such a process, and it is no zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
