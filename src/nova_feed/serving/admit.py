"""Only so many at once: what a process cannot answer soon it refuses at once, and says when to come again.

Without a bound every request that is too many makes all others slower, until none is answered in time (goodput falls to
nothing while every core works). How many are soon enough depends on what they ask for and on the machine: a cached page
takes a process 0.3 ms, a ranked one 3. So the bound is as many as it answered of late with ``SPENT_S`` of a processor
(on two cores that it shares with the stores they take twice as long). Time in which it waits for a store does not
count: where a store is slow, letting fewer in would make nothing quicker.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from nova_feed.ops import metrics
from nova_feed.serving.problems import problem

SPENT_S = 0.25
FEWEST, MOST = 64, 256  # inside at once: one batch of misses is always let in, and more than four of them never
BUSY = 16  # from so many on what the process does is done for them, and not for itself
SHARE, LONGEST_S = 0.02, 0.1  # of the latest in the mean, and what a pause (garbage collection) counts as at most
AGAIN_S = 1
KIND = "overloaded"


class Crowd:
    """Those inside, of all routes of a process that share it. ``spent()``: CPU seconds of the process so far."""

    __slots__ = ("_before", "_most", "_seconds_each", "_spent", "inside")

    def __init__(self, most: int = MOST, spent: Callable[[], float] = time.process_time) -> None:
        self.inside, self._most, self._spent = 0, most, spent
        self._seconds_each = 0.0
        self._before = 0.0  # spent when the last one left

    def enter(self) -> None:
        """One more is inside."""
        self.inside += 1
        if self.inside == BUSY:
            self._before = self._spent()

    def leave(self) -> None:
        """One was answered, or has given up."""
        if self.inside >= BUSY:
            now = self._spent()
            self._seconds_each += SHARE * (min(LONGEST_S, now - self._before) - self._seconds_each)
            self._before = now
        self.inside -= 1

    @property
    def most(self) -> int:
        """How many may be inside at once now."""
        soon = SPENT_S / self._seconds_each if self._seconds_each else self._most
        return int(min(self._most, max(FEWEST, soon)))

    @property
    def full(self) -> bool:
        """Whether one more would be one too many."""
        return self.inside >= self.most

    @property
    def why(self) -> str:
        """What those are told who are refused."""
        return f"{self.inside} requests are being answered here; try again in {AGAIN_S} s"


async def refuse(scope: Scope, receive: Receive, send: Send, why: str) -> None:
    """Answer 503 with Retry-After, counted; nothing of the request is read."""
    metrics.SHED.inc()
    await problem(Request(scope), 503, KIND, why, {"Retry-After": str(AGAIN_S)})(scope, receive, send)


class Admit:
    """Around a route: 503 with Retry-After for who would be one too many. Nothing was done for them."""

    def __init__(self, app: ASGIApp, crowd: Crowd) -> None:
        self._app, self._crowd = app, crowd

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._crowd.full:
            await refuse(scope, receive, send, self._crowd.why)
            return
        self._crowd.enter()
        try:
            await self._app(scope, receive, send)
        finally:
            self._crowd.leave()
