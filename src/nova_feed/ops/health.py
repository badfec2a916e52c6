"""The state of every part: one real call each, in parallel, with its time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from nova_feed.clock import Clock

Check = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class PartHealth:
    """``detail`` is the version when up, the reason when down."""

    up: bool
    latency_ms: float
    detail: str


async def check_all(checks: Mapping[str, Check], clock: Clock, timeout_s: float = 2.0) -> dict[str, PartHealth]:
    """Run all checks; a part that does not answer within ``timeout_s`` is down."""
    found = await asyncio.gather(*(_check(check, clock, timeout_s) for check in checks.values()))
    return dict(zip(checks, found, strict=True))


async def _check(check: Check, clock: Clock, timeout_s: float) -> PartHealth:
    start = clock.monotonic()
    try:
        async with asyncio.timeout(timeout_s):
            up, detail = True, await check()
    except Exception as error:  # noqa: BLE001  whatever a client raises means: down, and why
        up, detail = False, (str(error) or type(error).__name__).splitlines()[0][:200]
    return PartHealth(up, round((clock.monotonic() - start) * 1000, 1), detail)
