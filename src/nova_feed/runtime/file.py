"""A file that writes versions: what it says becomes the newest version when it changes, as if somebody had typed it.

So there is one order of changes, one audit log and one way into every process, wherever they run. A change by the admin
API stays until the file changes again.
"""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import structlog

from nova_feed.errors import InvalidInputError, StaleVersionError, StoreUnavailableError
from nova_feed.ops import metrics
from nova_feed.runtime.change import Changes
from nova_feed.runtime.values import LARGEST_BYTES, read

log = structlog.get_logger(__name__)
EVERY_S = 0.2
BY = "file"
_MISSING = "there is no such file"


class RuntimeFile:
    """Reads the file five times a second. What is not valid changes nothing, and is logged and counted once."""

    def __init__(self, path: Path, changes: Changes) -> None:
        self._path, self._changes = path, changes
        self._done: bytes | str | None = None  # what was read and dealt with: bytes, or why there were none

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.step()
            await asyncio.sleep(EVERY_S)

    async def step(self) -> None:
        """Look once. Nothing is lost while PostgreSQL is away: the next look tries again."""
        text = await asyncio.to_thread(self._read)
        if text == self._done:
            return
        try:
            await self._take(text)
        except InvalidInputError as error:
            metrics.RUNTIME_REFUSED.labels("file").inc()
            log.error("runtime.refused", file=self._path.name, reason=str(error))
        except (StoreUnavailableError, StaleVersionError) as error:
            log.warning("runtime.waiting", file=self._path.name, reason=str(error))
            return
        self._done = text

    async def _take(self, text: bytes | str) -> None:
        if text == _MISSING:  # it says nothing, which is nothing wrong: it may come later
            log.warning("runtime.no_file", file=self._path.name)
            return
        if isinstance(text, str):
            raise InvalidInputError(text)
        document, note = read(text), f"{self._path.name} {hashlib.sha256(text).hexdigest()[:16]}"
        last = await self._changes.table.last_by(BY)
        if last is None or last.note != note:  # else it was taken before, by whoever followed it then
            await self._changes.whole(document, BY, note)

    def _read(self) -> bytes | str:
        try:
            if not self._path.is_file():
                return "is no file" if self._path.exists() else _MISSING
            with self._path.open("rb") as file:
                return file.read(LARGEST_BYTES + 1)
        except OSError as error:
            return f"cannot be read: {error.strerror}"
