"""One stack per home folder: a file lock, signed by the process that supervises it."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from nova_feed.errors import NovaError

LOOK_S = 0.01  # longer than anybody looks at the lock without meaning to keep it


class AlreadyRunningError(NovaError):
    """Another process supervises this home folder, or is about to clear it."""


@contextmanager
def hold(home: Path) -> Iterator[None]:
    """Hold the lock, with our pid in it. Raises AlreadyRunningError. The system frees it when we die."""
    home.mkdir(parents=True, exist_ok=True)
    with _taken(home) as file:
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """Keep everybody from starting a stack in ``home``, which must exist. Raises AlreadyRunningError."""
    with _taken(home):
        yield


def holder(home: Path) -> int | None:
    """The pid of the process that supervises ``home``, None when nobody does. Waits while somebody clears it."""
    path = home / "lock"
    if not path.exists():
        return None
    with path.open() as file:
        while not _lock(file, fcntl.LOCK_SH):
            if pid := _signature(file):
                return pid
            time.sleep(LOOK_S)
    return None


@contextmanager
def _taken(home: Path) -> Iterator[IO[str]]:
    with (home / "lock").open("a+") as file:
        for _ in range(20):  # ``holder`` takes it for a moment, too, and must not be mistaken for a stack
            if _lock(file, fcntl.LOCK_EX):
                break
            time.sleep(LOOK_S)
        else:
            raise AlreadyRunningError(_refusal(home, _signature(file)))
        file.truncate(0)
        yield file


def _refusal(home: Path, pid: int | None) -> str:
    if pid is None:
        return f"another command is clearing {home} at this moment: try again when it is done"
    return f"a stack runs in {home} already (pid {pid}): `nova down` stops it"


def _lock(file: IO[str], how: int) -> bool:
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _signature(file: IO[str]) -> int | None:
    file.seek(0)
    return int(file.read() or 0) or None
