"""Work that comes in many pieces leaves room for others."""

from __future__ import annotations

import asyncio
import time

import pytest

from nova_feed.feed.slices import Slices

PIECES = 30


class Loop:
    """One event loop's turns, and the pieces of work done in each."""

    def __init__(self, slice_s: float, piece_s: float) -> None:
        self.slices, self._piece_s = Slices(slice_s), piece_s
        self.done: list[int] = []
        self.in_turn = [0]

    async def piece(self, number: int) -> None:
        await self.slices.turn()
        time.sleep(self._piece_s)  # noqa: ASYNC251  it is work
        self.done.append(number)
        self.in_turn[-1] += 1

    async def run(self) -> None:
        pieces = [asyncio.ensure_future(self.piece(i)) for i in range(PIECES)]
        while not all(piece.done() for piece in pieces):
            await asyncio.sleep(0)
            self.in_turn.append(0)


@pytest.mark.parametrize(("slice_s", "most"), [(0.005, 3), (0.0, 1)])
async def test_what_takes_long_is_done_in_turns_of_a_few_pieces_and_in_the_order_asked(
    slice_s: float, most: int
) -> None:
    loop = Loop(slice_s, piece_s=0.002)
    await loop.run()
    assert loop.done == list(range(PIECES))
    assert 1 <= max(loop.in_turn) <= most


async def test_what_is_quick_is_done_in_one_turn() -> None:
    loop = Loop(slice_s=60, piece_s=0)
    await loop.run()
    assert max(loop.in_turn) == PIECES


async def test_whoever_gives_up_leaves_their_turn_to_the_others() -> None:
    loop = Loop(slice_s=0.0, piece_s=0.001)
    gone = asyncio.ensure_future(loop.piece(-1))
    first = asyncio.ensure_future(loop.piece(-2))
    waiting = asyncio.ensure_future(loop.piece(-3))
    await asyncio.sleep(0)
    waiting.cancel()
    await loop.run()
    await asyncio.gather(gone, first)
    assert loop.done[:2] == [-1, -2]
    assert loop.done[2:] == list(range(PIECES))
