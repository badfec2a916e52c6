"""Misses of many viewers become one query.

While one batch is being answered the next one gathers, so a lone miss waits for nobody and a crowd shares. Who asks in
the same turn of the event loop shares in any case. Where a query costs little more for many than for one, a crowd may
be gathered for a while after each batch, too: those who were answered are about to ask again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Mapping, Sequence
from contextvars import Context, copy_context
from functools import partial
from typing import Generic, TypeVar

LATELY_S = 5.0
LONGEST_REST_S = 0.1  # a batch that took long had to wait itself: nobody else need, for that
K = TypeVar("K", bound=Hashable)
T = TypeVar("T")


class Coalescer(Generic[K, T]):
    """Single-flight for each thing asked for (a viewer, as a rule); batches of up to ``most`` of them, at most
    ``at_once`` batches under way.

    ``rest``: for how long the next batch gathers after one of several, as a share of the time that one took. ``fresh``:
    an answer has to be as of later than the question, so one under way is not shared with whoever comes meanwhile.
    """

    def __init__(
        self, load: Callable[[Sequence[K]], Awaitable[Mapping[K, T]]], *,
        most: int = 64, at_once: int = 2, rest: float = 0.0, fresh: bool = False,
    ) -> None:  # fmt: skip
        self._load, self._most, self._at_once, self._rest, self._fresh = load, most, at_once, rest, fresh
        self._waiting: dict[K, asyncio.Future[T]] = {}
        self._loading: dict[K, asyncio.Future[T]] = {}
        self._asking: dict[K, Context] = {}  # of whoever asked first: what a batch logs and traces is its first one's
        self._batches: dict[asyncio.Task[None], float] = {}  # and when they began
        self._resting: asyncio.TimerHandle | None = None
        self._last: tuple[float, float] = (0.0, float("-inf"))  # seconds that the last batch took, and when it ended

    async def get(self, asked: K) -> T:
        """The answer for one of them. Raises what ``load`` raised for the batch it was in.

        One caller that gives up does not take the answer from the others.
        """
        future = self._waiting.get(asked) or (None if self._fresh else self._loading.get(asked))
        if future is None:
            future = self._waiting[asked] = asyncio.get_running_loop().create_future()
            self._asking[asked] = copy_context()
            if len(self._waiting) == 1:  # whoever comes before the loop's next turn comes along
                asyncio.get_running_loop().call_soon(self._start)
        return await asyncio.shield(future)

    @property
    def crowded(self) -> bool:
        """Whether more wait than one batch takes."""
        return len(self._waiting) >= self._most

    @property
    def longest_s(self) -> float:
        """For how long the oldest batch under way has had no answer; 0 when there is none."""
        now = asyncio.get_running_loop().time()
        return now - min(self._batches.values(), default=now)

    @property
    def lately_s(self) -> float:
        """How long an answer takes as of late: the last batch, or the one under way if that takes longer already."""
        took_s, ended = self._last
        recent = asyncio.get_running_loop().time() - ended < LATELY_S
        return max(self.longest_s, took_s if recent else 0.0)

    def _start(self) -> None:
        if self._resting is not None and len(self._waiting) < self._most:
            return
        while self._waiting and len(self._batches) < self._at_once:
            batch = dict(list(self._waiting.items())[: self._most])
            for asked in batch:
                self._loading[asked] = self._waiting.pop(asked)
            contexts = [self._asking.pop(asked) for asked in batch]
            task = asyncio.create_task(self._run(batch), context=contexts[0])
            self._batches[task] = asyncio.get_running_loop().time()
            task.add_done_callback(partial(self._finished, of=len(batch)))

    def _finished(self, task: asyncio.Task[None], of: int) -> None:
        began, loop = self._batches.pop(task), asyncio.get_running_loop()
        self._last = (loop.time() - began, loop.time())
        if self._rest and of > 1:
            if self._resting is not None:
                self._resting.cancel()
            rest_s = min(LONGEST_REST_S, self._rest * (loop.time() - began))
            self._resting = loop.call_later(rest_s, self._rested)
        self._start()

    def _rested(self) -> None:
        self._resting = None
        self._start()

    async def _run(self, batch: dict[K, asyncio.Future[T]]) -> None:
        try:
            answers = await self._load(tuple(batch))
            for asked, future in batch.items():
                future.set_result(answers[asked])
        except Exception as error:  # noqa: BLE001  whatever went wrong belongs to those who wait
            for future in batch.values():
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # nobody may be left to fetch it
        finally:
            for asked, future in batch.items():
                if self._loading.get(asked) is future:
                    del self._loading[asked]
