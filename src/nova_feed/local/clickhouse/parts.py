"""After a stop in the middle of a merge: the engine may leave a part whose marks were never written.

It starts on it, and then every query of the table fails with "Empty marks file", for ever. The parts that were merged
are still there for eight minutes, and are used again once the new one is aside.
"""

from __future__ import annotations

import logging
from pathlib import Path

_log = logging.getLogger("nova_feed.local.clickhouse")
_PARTS = "store/*/*/*_*_*_*/count.txt"  # partition, first block, last block, level
_UNFINISHED = ("tmp", "delete_tmp", "attaching")
_MARKS = ("*.mrk*", "*.cmrk*")


def set_aside_parts_without_marks(folder: Path) -> list[Path]:
    """Move them to where the engine keeps broken parts, in a database that is not open; returns where they are now."""
    moved = []
    for count in folder.glob(_PARTS):
        part = count.parent
        if part.name.startswith(_UNFINISHED) or not _rows(count):
            continue
        if any(not marks.stat().st_size for pattern in _MARKS for marks in part.glob(pattern)):
            aside = part.parent / "detached" / f"broken-on-start_{part.name}"
            aside.parent.mkdir(exist_ok=True)
            moved.append(part.rename(aside))
            _log.warning("a part without marks, set aside: %s", aside)
    return moved


def _rows(count: Path) -> int:
    text = count.read_text().strip()
    return int(text) if text.isdecimal() else 0
