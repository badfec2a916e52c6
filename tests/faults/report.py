"""One report of all rows: a table to read, ``build/faults.json`` for machines."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

PATH = Path("build/faults.json")


@dataclass
class Line:
    """One row of the fault matrix as it went. ``passed`` is None for a row that cannot run here; ``note`` says why.

    ``feed`` is how GET /api/v1/feed was answered meanwhile: see ``watch.Figures``.
    """

    row: int
    name: str
    lost: int | None = None
    duplicate: int | None = None
    phantom: int | None = None
    seconds_to_normal: float | None = None
    passed: bool | None = False
    note: str = ""
    feed: dict[str, float] | None = None

    def add(self, *figures: str) -> None:
        """Add figures to the note."""
        self.note = "; ".join(filter(None, (self.note, *figures)))


@dataclass
class Report:
    """The lines of a run."""

    lines: list[Line] = field(default_factory=list)

    def write(self, path: Path = PATH) -> None:
        """Write the lines, by row."""
        path.parent.mkdir(exist_ok=True)
        lines = sorted(self.lines, key=lambda line: line.row)
        path.write_text(json.dumps([asdict(line) for line in lines], indent=1) + "\n")

    def table(self) -> list[str]:
        """The lines, for people."""
        head = f"{'row':>3}  {'fault':<44} {'lost':>4} {'dup':>4} {'phan':>4} {'normal':>8}  result"
        return [head, *(part for line in sorted(self.lines, key=lambda line: line.row) for part in _told(line))]


def _told(line: Line) -> list[str]:
    def number(value: int | None) -> str:
        return "-" if value is None else str(value)

    normal = "-" if line.seconds_to_normal is None else f"{line.seconds_to_normal:.1f} s"
    result = {True: "passed", False: "FAILED", None: "cannot run here"}[line.passed]
    counts = f"{number(line.lost):>4} {number(line.duplicate):>4} {number(line.phantom):>4}"
    return [
        f"{line.row:>3}  {line.name:<44} {counts} {normal:>8}  {result}",
        *([f"     {line.note}"] * bool(line.note)),
    ]
