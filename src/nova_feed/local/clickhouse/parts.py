"""Parts whose marks were never written: what a merge may leave when the disk was full meanwhile, or after a stop in it.

The engine takes such a part for a whole one, and then every query of the table fails with "Empty marks file", for ever.
The parts that were merged are still there for a minute (``clickhouse_part.keep_merged_parts``), and are used again once
the new one is aside: at a start, for which the process ends itself when a query, or a refreshable view, found one
(``__main__``).
"""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path

_log = logging.getLogger("nova_feed.local.clickhouse")
_PARTS = "store/*/*/*_*_*_*/count.txt"  # partition, first block, last block, level
_UNFINISHED = ("tmp", "delete_tmp", "attaching")
_MARKS = ("*.mrk*", "*.cmrk*")
SYMPTOM = "Empty marks file"  # in what the engine says of a query that read one


def parts_without_marks(folder: Path) -> list[Path]:
    """Those of a database; it may be open."""
    found = []
    for count in folder.glob(_PARTS):
        part = count.parent
        with suppress(FileNotFoundError):  # the engine removes parts all the time
            if part.name.startswith(_UNFINISHED) or count.read_text().strip() == "0":  # one without rows has no marks
                continue
            if any(not marks.stat().st_size for pattern in _MARKS for marks in part.glob(pattern)):
                found.append(part)
    return found


def set_aside_parts_without_marks(folder: Path) -> list[Path]:
    """Move them to where the engine keeps broken parts, in a database that is not open; returns where they are now."""
    moved = []
    for part in parts_without_marks(folder):
        aside = part.parent / "detached" / f"broken-on-start_{part.name}"
        aside.parent.mkdir(exist_ok=True)
        moved.append(part.rename(aside))
        _log.warning("a part without marks, set aside: %s", aside)
    return moved
