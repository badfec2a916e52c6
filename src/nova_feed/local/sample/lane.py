"""A bounded queue with a few workers: how much may be under way at once, and how much may wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Lane(Generic[T]):
    """``workers`` items are carried out at a time, in the order they were put; ``waiting`` more may wait."""

    def __init__(self, carry_out: Callable[[T], Awaitable[None]], workers: int, waiting: int) -> None:
        self._carry_out, self._workers = carry_out, workers
        self._queue: asyncio.Queue[T] = asyncio.Queue(waiting)

    @property
    def free(self) -> int:
        """How many items may be put now."""
        return self._queue.maxsize - self._queue.qsize()

    def put(self, item: T) -> None:
        """Have it carried out. Raises asyncio.QueueFull when nothing is free."""
        self._queue.put_nowait(item)

    async def drained(self) -> None:
        """Return when everything put so far has been carried out."""
        await self._queue.join()

    async def work(self) -> None:
        """Carry out what is put, until cancelled. Ends with the first failure ``carry_out`` raises."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self._workers):
                group.create_task(self._one_worker())

    async def _one_worker(self) -> None:
        while True:
            item = await self._queue.get()
            await self._carry_out(item)
            self._queue.task_done()
