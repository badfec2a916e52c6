"""The log lines of requests that are answered in microseconds: made one by one, written many at a time.

A line looks like every other; it is written at most ``FLUSH_S`` later, and its timestamp is that of the request.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import structlog

FLUSH_S = 0.1
_ENCODER = msgspec.json.Encoder()
log = structlog.get_logger(__name__)


class AccessLog:
    """Lines to stderr. ``level`` and ``how`` as in ``logs.configure``."""

    def __init__(self, level: str, how: str) -> None:
        self._on = level in {"debug", "info"}
        self._pretty = how == "console" or (how == "auto" and sys.stderr.isatty())
        self._lines: list[bytes] = []

    def add(self, **facts: Any) -> None:
        """One request."""
        if not self._on:
            return
        if self._pretty:
            log.info("request", **facts)
            return
        at = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        self._lines.append(_ENCODER.encode({**facts, "event": "request", "level": "info", "timestamp": at}))

    def flush(self) -> None:
        """Write what there is. A full disk loses lines rather than requests."""
        if self._lines:
            lines, self._lines = self._lines, []
            with suppress(OSError, ValueError):
                sys.stderr.write(b"\n".join((*lines, b"")).decode())
                sys.stderr.flush()

    async def run(self) -> None:
        """Flush until cancelled, and then once more."""
        try:
            while True:
                await asyncio.sleep(FLUSH_S)
                self.flush()
        finally:
            self.flush()
