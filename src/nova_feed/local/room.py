"""Room on the disk: asked for before anything is written, and named when it ran out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from nova_feed.errors import NovaError

MIB = 1 << 20
NEEDED_MIB = 512
FULL_MIB = 20  # PostgreSQL's log grows by files of 16 MiB


class DiskFullError(NovaError):
    """There is no room for the stack's data."""


def _free_mib(home: Path) -> int:
    return shutil.disk_usage(home).free // MIB


@contextmanager
def enough(home: Path, needed_mib: int = NEEDED_MIB, *, free_mib: Callable[[Path], int] = _free_mib) -> Iterator[None]:
    """Raises DiskFullError unless that much is free in ``home``; and instead of an error that came of a full disk."""
    free = free_mib(home)
    if free < needed_mib:
        raise DiskFullError(
            f"only {free:,} MiB are free in {home}, a start needs {needed_mib:,}: make room, or choose another --home"
        )
    try:
        yield
    except Exception as error:
        if free_mib(home) < FULL_MIB:
            raise DiskFullError(f"no space is left in {home}: make room, or choose another --home") from error
        raise
