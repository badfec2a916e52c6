"""A reader of the feed beside a fault."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from types import TracebackType

import httpx

FEED = "/api/v1/feed"
LOOK_S = 0.1
PATIENCE_S = 8.0


class Watch:
    """``async with Watch(...)``: asks for the first page ten times a second, and keeps how each answer was."""

    def __init__(self, url: str, headers: Mapping[str, str]) -> None:
        self._url, self._headers = url, headers
        self.seconds: list[float] = []
        self.statuses: list[int] = []
        self.fallbacks = 0

    async def __aenter__(self) -> Watch:
        self._stop = asyncio.Event()
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        await self._task

    def told(self) -> str:
        """How it went, in a few words."""
        good = f"feed {self.statuses.count(200)}/{len(self.statuses)} answered"
        fallback = f", {self.fallbacks} in fallback" if self.fallbacks else ""
        return f"{good}{fallback}, slowest {max(self.seconds, default=0):.2f} s"

    def assert_served(self, within_s: float) -> None:
        """Every page was served, and in time."""
        assert set(self.statuses) == {200}, self.told()
        assert max(self.seconds) <= within_s, self.told()

    async def _read(self) -> None:
        async with httpx.AsyncClient(base_url=self._url, timeout=PATIENCE_S) as http:
            while not self._stop.is_set():
                began = time.monotonic()
                try:
                    answer = await http.get(FEED, headers=self._headers)
                    self.statuses.append(answer.status_code)
                    self.fallbacks += answer.status_code == 200 and bool(answer.json()["fallback"])
                except httpx.TransportError:
                    self.statuses.append(0)
                self.seconds.append(time.monotonic() - began)
                await asyncio.sleep(LOOK_S)
