"""What was asked lately, by normalised text: in place of ``system.query_log``, which the embedded engine has not."""

from __future__ import annotations

import re
from collections import defaultdict, deque
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from nova_feed.local.clickhouse.connection import Answer

KEPT = 20_000  # of the latest; what came before is forgotten
_LONGEST = 4_096  # bytes of a text that are looked at
_VARYING = re.compile(
    rb"""(?P<comment> --[^\n]* | /\*.*?\*/ ) | '(?:[^'\\]|\\.|'')*' | \b\d+(?:\.\d+)?\b""", re.DOTALL | re.VERBOSE
)


class _Asked(NamedTuple):
    text: str
    ms: float
    read_rows: int
    read_bytes: int


class QueryLog:
    """The latest queries. ``add`` costs a microsecond or two; ``told`` works over all that is kept."""

    def __init__(self, kept: int = KEPT) -> None:
        self._asked: deque[_Asked] = deque(maxlen=kept)

    def add(self, sql: bytes, answer: Answer) -> None:
        """A query was answered."""
        text = normalised(sql[:_LONGEST])
        self._asked.append(_Asked(text, answer.elapsed_s * 1000, answer.read_rows, answer.read_bytes))

    def told(self, slow_ms: float) -> list[dict[str, str | float]]:
        """By text, those that took the most time in all first; rows and bytes are the mean of what one query read."""
        groups: dict[str, list[_Asked]] = defaultdict(list)
        for asked in tuple(self._asked):
            groups[asked.text].append(asked)
        found = [_row(text, group, slow_ms) for text, group in groups.items()]
        return sorted(found, key=lambda row: -float(row["total_ms"]))


def _row(text: str, group: list[_Asked], slow_ms: float) -> dict[str, str | float]:
    ms = np.array([asked.ms for asked in group])
    p50, p95, p99 = np.percentile(ms, (50, 95, 99)).tolist()
    return {
        "text": text, "count": len(group), "slow": int((ms > slow_ms).sum()),
        "p50_ms": p50, "p95_ms": p95, "p99_ms": p99, "total_ms": float(ms.sum()),
        "read_rows": float(np.mean([asked.read_rows for asked in group])),
        "read_bytes": float(np.mean([asked.read_bytes for asked in group])),
    }  # fmt: skip


@lru_cache(maxsize=1_024)
def normalised(sql: bytes) -> str:
    """The text without comments and line breaks, a question mark for each value, as ClickHouse's normalizeQuery."""
    bare = _VARYING.sub(lambda found: b" " if found["comment"] else b"?", sql)
    return b" ".join(bare.split()).decode("utf-8", "replace")
