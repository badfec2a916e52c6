"""Readers of the feed beside a fault: many viewers, first pages and later ones, at a steady rate."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import aiohttp
import numpy as np

from tests.faults.pages import Reading, take
from tests.waiting import eventually

FEED = "/api/v1/feed"
LIMIT = 20
PATIENCE_S = 8.0
MOST = 400  # requests on their way at once: whoever comes then goes away again
ON = 0.5  # of all requests go on with a cursor, where the viewer has one
QUIET_S = 2.0
LEAST = 0.995  # of all requests, answered with a page


@dataclass(frozen=True, slots=True)
class Look:
    """One request: when it began (monotonic), how long it took, its status (0: none) and what it told."""

    viewer: int
    later: bool
    began: float
    seconds: float
    status: int
    source: str = ""
    fallback: bool = False
    reason: str = ""
    as_of: str = ""
    again: bool = False  # it says when to come again


@dataclass(frozen=True, slots=True)
class Figures:
    """How the feed was answered. Times are in ms."""

    requests: int
    answered: int
    p50: float
    p95: float
    longest: float
    fallback: int
    fallback_p95: float

    @property
    def share(self) -> float:
        return self.answered / self.requests if self.requests else 0.0

    def __str__(self) -> str:
        times = f"P50/P95/max {self.p50:.0f}/{self.p95:.0f}/{self.longest:.0f} ms"
        fallback = f", {self.fallback} in fallback (P95 {self.fallback_p95:.0f} ms)" if self.fallback else ""
        return f"feed {self.answered}/{self.requests} answered ({self.share:.2%}), {times}{fallback}"


class Watch:
    """``async with Watch(...)``: viewers ask, whatever comes back; every page they get is judged.

    ``tokens`` by viewer, ``hidden`` the authors each must not be shown, ``rate`` requests a second of all together.
    """

    def __init__(self, url: str, tokens: Mapping[int, str], hidden: Mapping[int, frozenset[int]], rate: float) -> None:
        self._url, self._hidden, self.rate = url, hidden, rate
        self._headers = {viewer: {"Authorization": f"Bearer {token}"} for viewer, token in tokens.items()}
        self._readings: dict[int, Reading] = {}
        self._busy: set[int] = set()
        self.looks: list[Look] = []
        self.wrong: Counter[str] = Counter()
        self.turned_away = 0
        self._paused = False
        self.began = self.ended = 0.0

    async def __aenter__(self) -> Watch:
        patience = aiohttp.ClientTimeout(total=PATIENCE_S)
        self._http = aiohttp.ClientSession(timeout=patience, connector=aiohttp.TCPConnector(limit=MOST))
        self._random, self._stop = random.Random(), asyncio.Event()
        self._tasks: set[asyncio.Task[Look]] = set()
        self.began = time.monotonic()
        self._coming = asyncio.create_task(self._come())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        await self._coming
        await asyncio.gather(*self._tasks)
        await self._http.close()

    @contextmanager
    def fault(self) -> Iterator[None]:
        """What the figures are about: the requests that began within the block."""
        self.began, self.ended = time.monotonic(), 0.0
        yield
        self.ended = time.monotonic()

    @contextmanager
    def nobody_asks(self) -> Iterator[None]:
        """All viewers are away."""
        self._paused = True
        yield
        self._paused = False

    def all_return(self) -> None:
        """As many as there may be ask at once."""
        for viewer in list(self._headers)[:MOST]:
            self._start(viewer)

    async def first(self, viewer: int) -> Look:
        """A first page for this viewer."""
        return await self._ask(viewer, None)

    def figures(self) -> Figures:
        """Of the fault, or of all there was when there was none."""
        asked = [look for look in self.looks if self.began <= look.began <= (self.ended or look.began)]
        good = [look for look in asked if look.status == 200]
        stood_in = [look for look in good if look.fallback]
        return Figures(
            len(asked), len(good), percentile(asked, 50), percentile(asked, 95), percentile(asked, 100),
            len(stood_in), percentile(stood_in, 95),
        )  # fmt: skip

    def is_quiet(self) -> bool:
        """Whether of those who asked of late none was refused, and no first page fell back."""
        since = time.monotonic() - QUIET_S
        lately = [look for look in self.looks if look.began > since]
        return len(lately) > QUIET_S * self.rate / 4 and not any(map(_poor, lately))

    async def back(self, deadline_s: float = 75) -> float:
        """Wait until no first page falls back and none is refused; seconds from the end of the fault until then."""

        async def is_quiet() -> bool:
            return time.monotonic() > self.ended + QUIET_S and self.is_quiet()

        try:
            await eventually(is_quiet, deadline_s)
        except AssertionError:
            lately = [look for look in self.looks if look.began > time.monotonic() - QUIET_S]
            poor_ones = Counter(f"{look.status} {look.reason}" for look in lately if _poor(look))
            raise AssertionError(
                f"not as before: {len(lately)} lately, of which {dict(poor_ones)}; {self.figures()}"
            ) from None
        poor = [look.began + look.seconds for look in self.looks if _poor(look)]
        return max(0.0, max(poor, default=0.0) - self.ended)

    def assert_served(self, *stores: str, within_s: float = PATIENCE_S, least: float = LEAST) -> None:
        """Enough pages were served, in time, each of them as it must be; ``stores``: whose absence may be a reason."""
        told, blamed = self.figures(), {look.reason.partition(":")[0] for look in self.looks if look.fallback}
        bad = Counter(f"{look.status} {look.reason}" for look in self.looks if look.status != 200)
        assert told.requests > 0
        assert not self.wrong, dict(self.wrong)
        assert blamed <= set(stores), blamed
        assert told.share >= least, f"{told}: {dict(bad)}"
        assert told.longest <= within_s * 1000, told

    async def _come(self) -> None:
        start, n, rate = time.monotonic(), 0, self.rate
        while not self._stop.is_set():
            if rate != self.rate:
                start, n, rate = time.monotonic(), 0, self.rate
            n += 1
            late = time.monotonic() - (start + n / rate)
            if late < 0:
                await asyncio.sleep(-late)
            elif late > 1:  # this process was busy: it does not make up for what it missed
                start, n = time.monotonic(), 0
            if self._paused:
                continue
            free = [viewer for viewer in self._headers if viewer not in self._busy]
            if len(self._tasks) < MOST and free:
                self._start(self._random.choice(free))
            else:
                self.turned_away += 1

    def _start(self, viewer: int) -> None:
        self._busy.add(viewer)
        task = asyncio.create_task(self._next(viewer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._busy.discard(viewer))

    async def _next(self, viewer: int) -> Look:
        """One request of this viewer: the next page of the list, half of the time, or a first page."""
        reading = self._readings.get(viewer)
        goes_on = reading if reading and reading.cursor and self._random.random() < ON else None
        return await self._ask(viewer, goes_on)

    async def _ask(self, viewer: int, reading: Reading | None) -> Look:
        parameters = {"limit": str(LIMIT)} | ({"cursor": reading.cursor} if reading and reading.cursor else {})
        began = time.monotonic()
        try:
            async with self._http.get(self._url + FEED, params=parameters, headers=self._headers[viewer]) as answer:
                body = await answer.json(content_type=None)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            told = Look(viewer, reading is not None, began, time.monotonic() - began, 0, reason=type(error).__name__)
        else:
            told = self._judged(viewer, reading, began, answer, body)
        self.looks.append(told)
        return told

    def _judged(
        self, viewer: int, reading: Reading | None, began: float, answer: aiohttp.ClientResponse, body: Any
    ) -> Look:
        seconds, later = time.monotonic() - began, reading is not None
        if answer.status != 200:
            self._readings.pop(viewer, None)
            again = "retry-after" in answer.headers
            return Look(viewer, later, began, seconds, answer.status, reason=body["detail"], again=again)
        now, wrong = take(body, reading, self._hidden.get(viewer, frozenset()))
        self._readings[viewer] = now
        self.wrong.update(f"{what} ({'later' if later else 'first'} page)" for what in wrong)
        return Look(viewer, later, began, seconds, 200, body["source"], body["fallback"], body["reason"] or "",
                    body["as_of"])  # fmt: skip


def percentile(looks: list[Look], of: float) -> float:
    """Of the time these requests took, in ms; 0 when there were none."""
    seconds = [look.seconds for look in looks]
    return float(np.percentile(seconds, of)) * 1000 if seconds else 0.0


def _poor(look: Look) -> bool:
    """A first page that was not ranked, or any page that was refused for want of a store."""
    return look.status in {0, 503} or (look.fallback and not look.later)
