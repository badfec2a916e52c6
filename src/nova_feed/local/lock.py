"""One stack per home folder: a file lock, held by the process that supervises it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nova_feed.errors import NovaError


class AlreadyRunningError(NovaError):
    """Another process supervises this home folder."""


@contextmanager
def hold(home: Path) -> Iterator[None]:
    """Hold the lock, with our pid in it. Raises AlreadyRunningError. The system frees it when we die."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunningError(
                f"a stack runs in {home} already (pid {holder(home)}): `nova down` stops it"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def holder(home: Path) -> int | None:
    """The pid of the process that supervises ``home``, None when nobody does."""
    path = home / "lock"
    if not path.exists():
        return None
    with path.open("r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read() or 0) or None
    return None
