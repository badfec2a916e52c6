"""Frozen lists that this host made or read, as files: from them cursors go on while Valkey is away, or has lost them.

A list never changes, so one from here is as good as Valkey's; what was deleted or blocked since is left out by the
rules of each page. All API processes of a host share the folder, so that it does not matter which of them is asked.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from nova_feed.clock import Clock

MOST_BYTES = 64 << 20  # some 1,600 lists
SWEPT_EVERY = 8  # times while so much is written
log = structlog.get_logger(__name__)


class NearbyLists:
    """Encoded lists by viewer and id, each for ``life_s`` after its last use, all of them up to a size: those used
    last stay. A file takes 50 us to write and 15 to read. Nothing is raised: without a folder, or with a full disk, no
    list is here."""

    def __init__(
        self, folder: Path | None, clock: Clock, life_s: Callable[[], float], *, most_bytes: int = MOST_BYTES
    ) -> None:
        self._folder, self._clock, self._life_s, self._most_bytes = folder, clock, life_s, most_bytes
        self._written, self._failing = 0, False
        self._sweeping = threading.Lock()

    def put(self, viewer_id: int, list_id: str, body: bytes) -> None:
        """Keep a list; of one that is here the life begins anew."""
        if self._folder is None:
            return
        path = self._folder / f"{viewer_id}.{list_id}"
        try:
            if not self._used(path):
                self._write(path, body)
            self._failing = False
        except OSError as error:
            if not self._failing:
                log.warning("nearby.not_kept", folder=str(self._folder), reason=str(error))
            self._failing = True

    def get(self, viewer_id: int, list_id: str) -> bytes | None:
        """The list; None when it is not here, or was not used for too long."""
        if self._folder is None:
            return None
        path = self._folder / f"{viewer_id}.{list_id}"
        try:
            with path.open("rb") as file:
                if self._age_s(os.fstat(file.fileno()).st_mtime) > self._life_s():
                    return None
                body = file.read()
            self._used(path)
        except OSError:
            return None
        return body

    def sweep(self) -> None:
        """Remove what was not used for too long, and the ones used longest ago beyond the size. Any thread."""
        if self._folder is None or not self._sweeping.acquire(blocking=False):
            return
        try:
            kept, files = 0, []
            for entry in os.scandir(self._folder):
                with suppress(FileNotFoundError):  # another process sweeps, too
                    stat = entry.stat()
                    files.append((stat.st_mtime, stat.st_size, entry.path))
            for used, size, path in sorted(files, reverse=True):
                kept += size
                if kept > self._most_bytes or self._age_s(used) > self._life_s():
                    Path(path).unlink(missing_ok=True)
        finally:
            self._sweeping.release()

    def _write(self, path: Path, body: bytes) -> None:
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        file = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(file, body)
        finally:
            os.close(file)
        self._used(unfinished)
        unfinished.replace(path)
        self._written += len(body)
        if self._written > self._most_bytes // SWEPT_EVERY:
            self._written = 0
            asyncio.get_running_loop().run_in_executor(None, self.sweep)

    def _used(self, path: Path) -> bool:
        """Mark a list as used now; False when it is not here."""
        now_ns = self._clock.now_ms() * 1_000_000
        try:
            os.utime(path, ns=(now_ns, now_ns))
        except FileNotFoundError:
            return False
        return True

    def _age_s(self, used: float) -> float:
        return self._clock.now_ms() / 1000 - used
