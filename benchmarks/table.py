"""The one table of `make bench`: a row a scenario."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

PARTS = ("api", "clickhouse", "postgres", "valkey")
HEADERS = (
    "scenario", "requests/s", "P50 ms", "P95 ms", "P99 ms", "errors", "ceiling/s", "ratio", "MiB",
    "CPU s per 1,000: API", "ClickHouse", "PostgreSQL", "Valkey",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """What a scenario showed. Times in ms; ``errors`` by kind; ``notes`` is whatever else is worth a line."""

    scenario: str
    per_s: float
    times: dict[str, float]
    errors: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    ceiling_per_s: float | None = None
    memory_mib: float = 0.0
    cpu_s_per_1000: dict[str, float] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def ratio(self) -> float | None:
        """Of the ceiling of the same run."""
        return None if not self.ceiling_per_s else self.per_s / self.ceiling_per_s

    def cells(self) -> list[str]:
        """As printed."""
        times = (f"{self.times.get(f'{name}_ms', 0):,.1f}" for name in ("p50", "p95", "p99"))
        return [
            self.scenario, f"{self.per_s:,.0f}", *times, f"{sum(self.errors.values()) + len(self.wrong):,}",
            "-" if not self.ceiling_per_s else f"{self.ceiling_per_s:,.0f}",
            "-" if self.ratio is None else f"{self.ratio:.2f}", f"{self.memory_mib:,.0f}",
            *(f"{self.cpu_s_per_1000.get(part, 0):.2f}" for part in PARTS),
        ]  # fmt: skip

    def told(self) -> dict[str, Any]:
        """For build/bench.json."""
        return asdict(self) | {"ratio": None if self.ratio is None else round(self.ratio, 3)}


def table(rows: Sequence[Row]) -> str:
    """All rows as a Markdown table, as docs/performance.md has it."""
    lines = [list(HEADERS), *(row.cells() for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADERS))]
    lines.insert(1, ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])])
    return "\n".join("| " + " | ".join(map(_padded, line, widths, range(len(line)))) + " |" for line in lines)


def _padded(text: str, width: int, column: int) -> str:
    return text.rjust(width) if column else text.ljust(width)
