"""Time as an argument: wall time in UTC milliseconds, monotonic time in seconds."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol


class Clock(Protocol):
    """What code that needs the time is given."""

    def now_ms(self) -> int:
        """Wall time, UTC milliseconds since 1970. May step."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start. Never steps."""


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    monotonic = staticmethod(time.monotonic)  # no call of our own: a page from memory asks eight times


@lru_cache(maxsize=16_384)  # the posts of a page are on other viewers' pages, too
def rfc3339(ms: int) -> str:
    """UTC milliseconds as ``2026-01-31T12:00:00.123Z``."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
