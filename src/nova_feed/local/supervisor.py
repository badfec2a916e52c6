"""Keeps the parts running: one that died is started again, with backoff and a line in the log; the facts stay true."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from nova_feed.errors import NovaError
from nova_feed.local.service import Service
from nova_feed.local.stack import Stack
from nova_feed.local.whole import write_whole

log = structlog.get_logger(__name__)
LOOK_EVERY_S = 0.25
LONGEST_PAUSE_S = 30.0


@dataclass(slots=True)
class _Health:
    restarts: int = 0
    pause_s: float = 0.25
    again_at: float = 0.0


class Facts:
    """``demo.json``: where everything is, for scripts. Written whole."""

    def __init__(self, path: Path, fixed: Mapping[str, Any]) -> None:
        self._path, self._fixed = path, dict(fixed)
        self._written: dict[str, Any] = {}
        self._failing = False

    def write(self, parts: Mapping[str, Service], restarts: Mapping[str, int]) -> None:
        """Write when something changed. Raises OSError the first time; later the old file stays until there is room."""
        pids = {name: list(part.pids) if name == "api" else next(iter(part.pids), None) for name, part in parts.items()}
        facts = self._fixed | {"pids": {n: p for n, p in pids.items() if p is not None}, "restarts": dict(restarts)}
        if facts == self._written:
            return
        try:
            write_whole(self._path, json.dumps(facts, indent=1) + "\n", mode=0o600)
        except OSError as error:
            if not self._written:
                raise
            if not self._failing:
                log.error("facts.not_written", error=str(error))
            self._failing = True
            return
        self._written, self._failing = facts, False

    def remove(self) -> None:
        """There is nothing to be found any more."""
        self._path.unlink(missing_ok=True)


async def supervise(stack: Stack, facts: Facts, stop: asyncio.Event) -> None:
    """Until ``stop``: look at every part four times a second, and start what died, after growing pauses."""
    health = {name: _Health() for name in stack.parts}
    loop = asyncio.get_running_loop()
    while not stop.is_set():
        for name, part in stack.parts.items():
            if not part.alive() and loop.time() >= health[name].again_at:
                _restart(part, health[name], loop.time())
        facts.write(stack.parts, {name: state.restarts for name, state in health.items()})
        try:
            await asyncio.wait_for(stop.wait(), LOOK_EVERY_S)
        except TimeoutError:
            continue


def _restart(part: Service, state: _Health, now: float) -> None:
    # A part that ran well for a minute starts with a clean slate; one that dies again and again waits longer.
    state.pause_s = 0.25 if now - state.again_at > 60 else min(state.pause_s * 2, LONGEST_PAUSE_S)
    state.again_at = now + state.pause_s
    state.restarts += 1
    log.warning("part.restarted", part=part.name, restarts=state.restarts)
    try:
        part.init()
        part.start()
    except (NovaError, OSError) as error:
        log.error("part.not_started", part=part.name, error=str(error))
