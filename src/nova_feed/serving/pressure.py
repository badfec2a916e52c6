"""How late a process is, and which events wait with their senders meanwhile.

Where processors are short everything in a process waits: a page from memory, 0.1 ms of it, behind batches of events,
8 ms each, and all of them behind whatever else the machine does. Who sends events holds on to what is refused and
sends it again, so events give way: a batch is let in or refused before anything of it is read, and how many are let in
follows from how late the process is (additive increase, multiplicative decrease; Chiu and Jain 1989). What is refused
is work saved for PostgreSQL, Kafka and ClickHouse, too, so that what was accepted is visible soon. A few batches a
second are always let in.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Receive, Scope, Send

from nova_feed.clock import Clock
from nova_feed.feed.allowance import Allowance
from nova_feed.ops import metrics
from nova_feed.serving.admit import AGAIN_S, refuse

TICK_S, STEP_S = 0.02, 0.25  # how often the process is looked at, and the share decided on
WEIGHT, LONGEST_S = 0.1, 1.0  # of the latest tick in the mean, and what a tick counts as at most
LATE_S, LONG_S = 0.05, 1.0  # a process that is later for so long takes in fewer batches
LESS, MORE, LEAST = 0.85, 0.03, 0.1
ALWAYS_PER_S = 5.0  # batches that are let in besides
WHY = f"the machine is busy, and nothing of this was taken in; send it again in {AGAIN_S} s"


class Pressure:
    """The lateness of one process in seconds: by how much its timers are late, on average."""

    __slots__ = ("_always", "_clock", "_decided", "_on_time", "_owed", "late_s", "share")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.late_s, self.share = 0.0, 1.0
        self._owed, self._always = 0.0, Allowance(clock, per_s=ALWAYS_PER_S)
        self._on_time = self._decided = clock.monotonic()

    @property
    def high(self) -> bool:
        """Whether what can wait should."""
        return self.late_s > LATE_S

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            due = self._clock.monotonic() + TICK_S
            await asyncio.sleep(TICK_S)
            self.tell(self._clock.monotonic() - due)

    def tell(self, late_s: float) -> None:
        """A timer was late by so much."""
        metrics.LATE.observe(late_s)
        self.late_s += WEIGHT * (min(LONGEST_S, max(0.0, late_s)) - self.late_s)
        now = self._clock.monotonic()
        if not self.high:
            self._on_time = now
        if now - self._decided >= STEP_S:
            self._decided = now
            if not self.high:
                self.share = min(1.0, self.share + MORE)
            elif now - self._on_time >= LONG_S or self.share < 1:
                self.share = max(LEAST, self.share * LESS)
            metrics.EVENTS_SHARE.set(self.share)

    def admits(self) -> bool:
        """Whether one more batch is let in; of many together the share that is due, evenly."""
        self._owed += 1 - self.share
        if self._owed < 1:
            return True
        self._owed -= 1
        return self._always.take()


class Yield:
    """Around a route: 503 with Retry-After for whose request has to wait. Nothing was done for it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pressure: Pressure = scope["app"].state.api.pressure
        if pressure.admits():
            await self._app(scope, receive, send)
        else:
            await refuse(scope, receive, send, WHY)
