"""Readers beside a change at run time: each page tells the weights that it was ranked with, whole or torn."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import httpx
import numpy as np

from tests.faults.watch import FEED, PATIENCE_S
from tests.stack import LocalStack, bearer

VIEWERS = range(1, 7)
PAUSE_S = 0.04
APART = 1.0  # between the two weights of every change: a page with another difference saw half of one


@dataclass(frozen=True, slots=True)
class Seen:
    """One page. ``freshness`` is None when it was not ranked: not served, or by the fallback."""

    began: float
    status: int
    freshness: float | None
    whole: bool


class Readers:
    """``async with Readers(...)``: some viewers ask for first pages, each over a new connection, so of every worker."""

    def __init__(self, stack: LocalStack) -> None:
        self._stack = stack
        self.seen: list[Seen] = []

    async def __aenter__(self) -> Readers:
        self._stop = asyncio.Event()
        self._tasks = [asyncio.create_task(self._read(viewer)) for viewer in VIEWERS]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)

    def told(self) -> str:
        """How it went, in a few words."""
        plain = sum(one.status == 200 and one.freshness is None for one in self.seen)
        fallback = f", {plain} by the fallback" if plain else ""
        return f"{len(self.seen):,} pages, {len(self.seen) - self.statuses[200]} failed{fallback}"

    @property
    def statuses(self) -> Counter[int]:
        return Counter(one.status for one in self.seen)

    def late_s(self, made: Sequence[tuple[float, float]]) -> list[float]:
        """Of each change (when it was made, its freshness; in order): for how long older ones were still answered."""
        order = {freshness: i for i, (_, freshness) in enumerate(made)}
        began = np.array([one.began for one in self.seen if one.freshness in order])
        which = np.array([order[one.freshness] for one in self.seen if one.freshness in order])
        late = []
        for i, (at, _) in enumerate(made):
            older = began[(which < i) & (began > at)]
            late.append(float(older.max() - at) if len(older) else 0.0)
        return late

    async def _read(self, viewer: int) -> None:
        headers = bearer(self._stack, viewer)
        while not self._stop.is_set():
            began = time.monotonic()
            try:
                async with httpx.AsyncClient(base_url=self._stack.facts["api_url"], timeout=PATIENCE_S) as http:
                    answer = await http.get(FEED, params={"limit": 1, "explain": "true"}, headers=headers)
                self.seen.append(_seen(began, answer))
            except httpx.TransportError:
                self.seen.append(Seen(began, 0, None, whole=True))
            await asyncio.sleep(PAUSE_S)


def _seen(began: float, answer: httpx.Response) -> Seen:
    body: dict[str, Any] = answer.json() if answer.status_code == 200 else {"fallback": False, "posts": []}
    posts = body["posts"]
    if not posts or body["fallback"]:
        return Seen(began, answer.status_code, None, whole=True)
    weights = posts[0]["explanation"]["weights"]
    torn = abs(weights["affinity"] - weights["freshness"] - APART) > 1e-9
    return Seen(began, answer.status_code, weights["freshness"], whole=not torn)
