"""Long work in slices, with a look at the sockets between two.

What the event loop has to do in one turn it does to the end: a batch of 64 lists is 150 ms, for which everybody else
waits, also whoever asks for a page that is ready. So work that comes in many pieces asks for its turn before each.
"""

from __future__ import annotations

import asyncio

SLICE_S = 0.005


class Slices:
    """The turns of one event loop."""

    def __init__(self, slice_s: float = SLICE_S) -> None:
        self._slice_s = slice_s
        self._began: float | None = None  # when this turn of the loop was first worked in

    async def turn(self) -> None:
        """Returns when there is time for one piece of work: at once, until ``slice_s`` of this turn of the loop are
        used; else in one of the next, and who asked first is first."""
        loop = asyncio.get_running_loop()
        while self._began is not None and loop.time() - self._began >= self._slice_s:  # noqa: ASYNC110  by the turn
            await asyncio.sleep(0)
        if self._began is None:
            self._began = loop.time()
            loop.call_soon(self._end)

    def _end(self) -> None:
        self._began = None
