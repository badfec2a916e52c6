"""Waiting for what becomes true: no test sleeps for a while and hopes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
POLL_S = 0.1


async def eventually(check: Callable[[], Awaitable[T | None]], deadline_s: float) -> T:
    """Ask until the answer is truthy, and return it. Raises AssertionError with the last answer past the deadline."""
    loop = asyncio.get_running_loop()
    until = loop.time() + deadline_s
    while not (answer := await check()):
        assert loop.time() < until, f"not within {deadline_s} s; the last answer was {answer!r}"
        await asyncio.sleep(POLL_S)
    return answer
