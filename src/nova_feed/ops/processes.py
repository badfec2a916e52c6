"""What each process of this host says of itself, in a folder beside those of their metrics.

Breakers and pools are in the memory of the processes that answer requests: each writes what it knows once a second, and
any of them can read what all have written. No server is needed for it, so it is there when servers are away.
"""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

EVERY_S = 1.0
State = Mapping[str, Any]


def folder() -> Path | None:
    """Where processes tell; None when they keep no metrics for each other.

    API and worker have a folder of metrics each, side by side: whoever reads both counts nothing twice.
    """
    path = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    return Path(path).parent / "processes" if path else None


async def keep_telling(name: str, state: Callable[[], State], where: Path | None) -> None:
    """Tell until cancelled; without a folder nobody is told."""
    path = None if where is None else where / f"state_{os.getpid()}_{name.replace(' ', '_')}.json"
    try:
        while path is not None:
            text = json.dumps({"process": name, "pid": os.getpid(), **state()})
            await asyncio.to_thread(_write, path, text)
            await asyncio.sleep(EVERY_S)
    finally:
        if path is not None:
            path.unlink(missing_ok=True)


def told(where: Path | None) -> list[dict[str, Any]]:
    """What every process that is alive told last, by name and pid; ``silent_s``: how long ago that was."""
    found = []
    for path in [] if where is None else where.glob("state_*.json"):
        try:
            silent_s = time.time() - path.stat().st_mtime
            state = json.loads(path.read_text()) | {"silent_s": round(max(0.0, silent_s), 1)}
        except (OSError, ValueError):  # it ended just now
            continue
        if lives(state["pid"]):
            found.append(state)
        else:  # it was killed
            path.unlink(missing_ok=True)
    return sorted(found, key=lambda state: (state["process"], state["pid"]))


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(exist_ok=True)
        half = path.with_suffix(".half")
        half.write_text(text)
        half.replace(path)
    except OSError:  # a full disk must not end it: it is told again in a second
        return


def lives(pid: int) -> bool:
    """Whether there is such a process on this host."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
