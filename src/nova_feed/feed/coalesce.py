"""Misses of many viewers become one query.

No timer: while one batch is being answered the next one gathers, so a lone miss waits for nobody and a crowd shares.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Coalescer(Generic[T]):
    """Single-flight per viewer, batches of up to ``most`` viewers, at most ``at_once`` batches under way."""

    def __init__(
        self, load: Callable[[Sequence[int]], Awaitable[Mapping[int, T]]], *, most: int = 64, at_once: int = 2
    ) -> None:
        self._load, self._most, self._at_once = load, most, at_once
        self._waiting: dict[int, asyncio.Future[T]] = {}
        self._loading: dict[int, asyncio.Future[T]] = {}
        self._batches: dict[asyncio.Task[None], float] = {}  # and when they began

    async def get(self, viewer_id: int) -> T:
        """The answer for one viewer. Raises what ``load`` raised for the batch it was in.

        One caller that gives up does not take the answer from the others.
        """
        future = self._waiting.get(viewer_id) or self._loading.get(viewer_id)
        if future is None:
            future = self._waiting[viewer_id] = asyncio.get_running_loop().create_future()
            self._start()
        return await asyncio.shield(future)

    @property
    def longest_s(self) -> float:
        """For how long the oldest batch under way has had no answer; 0 when there is none."""
        now = asyncio.get_running_loop().time()
        return now - min(self._batches.values(), default=now)

    def _start(self) -> None:
        if self._waiting and len(self._batches) < self._at_once:
            batch = dict(list(self._waiting.items())[: self._most])
            for viewer_id in batch:
                self._loading[viewer_id] = self._waiting.pop(viewer_id)
            task = asyncio.create_task(self._run(batch))
            self._batches[task] = asyncio.get_running_loop().time()
            task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        del self._batches[task]
        self._start()

    async def _run(self, batch: dict[int, asyncio.Future[T]]) -> None:
        try:
            answers = await self._load(tuple(batch))
            for viewer_id, future in batch.items():
                future.set_result(answers[viewer_id])
        except Exception as error:  # noqa: BLE001  whatever went wrong belongs to those who wait
            for future in batch.values():
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # nobody may be left to fetch it
        finally:
            for viewer_id in batch:
                del self._loading[viewer_id]
