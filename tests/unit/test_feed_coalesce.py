"""Coalesced misses: who waits for what, with a store that answers when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from nova_feed.feed.coalesce import Coalescer


class Store:
    """Takes batches, and answers each when the test says so."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, ...]] = []
        self._answers: list[asyncio.Future[None]] = []
        self._came = asyncio.Condition()
        self._open = False

    async def load(self, viewers: Sequence[int]) -> Mapping[int, str]:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answers.append(answer)
        async with self._came:
            self.batches.append(tuple(viewers))
            self._came.notify_all()
        if not self._open:
            await answer
        return {viewer: f"answer {viewer}" for viewer in viewers}

    async def has(self, batches: int) -> None:
        async with self._came:
            await self._came.wait_for(lambda: len(self.batches) >= batches)

    def answer(self, batch: int) -> None:
        self._answers[batch].set_result(None)

    def fail(self, batch: int, error: Exception) -> None:
        self._answers[batch].set_exception(error)

    async def answer_all(self, *asked: asyncio.Task[str]) -> list[str]:
        """From now on every batch is answered at once."""
        self._open = True
        for answer in self._answers:
            if not answer.done():
                answer.set_result(None)
        return list(await asyncio.gather(*asked))


def ask(coalescer: Coalescer[int, str], *viewers: int) -> list[asyncio.Task[str]]:
    return [asyncio.create_task(coalescer.get(viewer)) for viewer in viewers]


async def test_a_lone_miss_waits_for_nobody() -> None:
    store = Store()
    [asked] = ask(Coalescer(store.load), 1)
    await store.has(1)
    assert store.batches == [(1,)]
    assert await store.answer_all(asked) == ["answer 1"]


async def test_callers_of_one_viewer_share_one_load_while_it_runs() -> None:
    store = Store()
    coalescer = Coalescer(store.load)
    asked = ask(coalescer, *[1] * 20)
    await store.has(1)
    asked += ask(coalescer, *[1] * 20)
    assert await store.answer_all(*asked) == ["answer 1"] * 40
    assert store.batches == [(1,)]


async def test_a_load_that_is_over_is_not_remembered() -> None:
    store = Store()
    coalescer = Coalescer(store.load)
    await store.answer_all(*ask(coalescer, 1))
    [again] = ask(coalescer, 1)
    await store.has(2)
    store.answer(1)
    assert await again == "answer 1"


async def test_viewers_who_come_while_a_batch_runs_share_the_next() -> None:
    store = Store()
    coalescer = Coalescer(store.load, at_once=1)
    asked = ask(coalescer, 1)
    await store.has(1)
    asked += ask(coalescer, 2, 3, 4, 3)
    answers = await store.answer_all(*asked)
    assert answers == ["answer 1", "answer 2", "answer 3", "answer 4", "answer 3"]
    assert store.batches == [(1,), (2, 3, 4)]


async def test_no_batch_is_larger_than_allowed_and_nobody_is_left_out() -> None:
    store = Store()
    asked = ask(Coalescer(store.load, most=8, at_once=2), *range(1, 61))
    assert await store.answer_all(*asked) == [f"answer {viewer}" for viewer in range(1, 61)]
    assert max(map(len, store.batches)) == 8
    assert sorted(viewer for batch in store.batches for viewer in batch) == list(range(1, 61))


async def test_no_more_batches_are_under_way_than_allowed() -> None:
    store = Store()
    coalescer = Coalescer(store.load, most=30, at_once=2)
    asked = ask(coalescer, 1)
    await store.has(1)
    asked += ask(coalescer, 2)
    await store.has(2)
    asked += ask(coalescer, *range(3, 31))
    await asyncio.sleep(0)
    assert len(store.batches) == 2
    await store.answer_all(*asked)
    assert [len(batch) for batch in store.batches] == [1, 1, 28]


async def test_who_asks_in_the_same_turn_shares_a_batch_and_a_crowd_fills_as_many_as_are_allowed() -> None:
    store = Store()
    asked = ask(Coalescer(store.load, most=8, at_once=2), *range(1, 21))
    await store.has(2)
    assert [len(batch) for batch in store.batches] == [8, 8]
    await store.answer_all(*asked)
    assert [len(batch) for batch in store.batches] == [8, 8, 4]


async def test_an_error_reaches_all_who_wait_for_the_batch_and_nobody_else() -> None:
    store = Store()
    coalescer = Coalescer(store.load, at_once=1)
    first = ask(coalescer, 1)
    await store.has(1)
    crowd = ask(coalescer, 2, 2, 3)
    store.answer(0)
    await store.has(2)
    store.fail(1, ConnectionError("gone"))
    assert [str(error) for error in await asyncio.gather(*crowd, return_exceptions=True)] == ["gone"] * 3
    assert await first[0] == "answer 1"


async def test_after_an_error_the_next_is_loaded_anew() -> None:
    store = Store()
    coalescer = Coalescer(store.load)
    [asked] = ask(coalescer, 1)
    await store.has(1)
    store.fail(0, ConnectionError("gone"))
    with pytest.raises(ConnectionError):
        await asked
    [again] = ask(coalescer, 1)
    await store.has(2)
    store.answer(1)
    assert await again == "answer 1"


async def test_a_caller_who_gives_up_does_not_take_the_answer_from_the_others() -> None:
    store = Store()
    patient, hasty = ask(Coalescer(store.load), 1, 1)
    await store.has(1)
    hasty.cancel()
    await asyncio.gather(hasty, return_exceptions=True)
    assert await store.answer_all(patient) == ["answer 1"]


async def test_a_batch_that_everybody_gave_up_frees_its_place() -> None:
    store = Store()
    coalescer = Coalescer(store.load, at_once=1)
    [hasty] = ask(coalescer, 1)
    await store.has(1)
    hasty.cancel()
    await asyncio.gather(hasty, return_exceptions=True)
    [next_one] = ask(coalescer, 2)
    store.fail(0, ConnectionError("gone"))
    await store.has(2)
    store.answer(1)
    assert await next_one == "answer 2"


async def test_a_viewer_whom_the_load_forgot_gets_an_error_and_waits_no_longer() -> None:
    async def forgetful(viewers: Sequence[int]) -> Mapping[int, str]:
        return {}

    with pytest.raises(KeyError):
        await Coalescer(forgetful).get(1)


async def test_it_knows_for_how_long_a_batch_has_had_no_answer() -> None:
    store = Store()
    coalescer = Coalescer(store.load)
    assert coalescer.longest_s == 0
    first = ask(coalescer, 1)
    await store.has(1)
    began = asyncio.get_running_loop().time()
    second = ask(coalescer, 2)
    await store.has(2)
    assert coalescer.longest_s >= asyncio.get_running_loop().time() - began
    await store.answer_all(*first, *second)
    assert coalescer.longest_s == 0


async def test_after_a_batch_of_several_the_next_one_gathers_for_a_share_of_its_time() -> None:
    store, loop = Store(), asyncio.get_running_loop()
    coalescer = Coalescer(store.load, at_once=1, rest=1.0)
    began = loop.time()
    crowd = ask(coalescer, 1, 2)
    await store.has(1)
    await asyncio.sleep(0.05)
    store.answer(0)
    await asyncio.gather(*crowd)
    took_s = loop.time() - began
    again = ask(coalescer, 3)
    await asyncio.sleep(0)
    again += ask(coalescer, 4)
    await asyncio.sleep(took_s / 2)
    assert len(store.batches) == 1
    await store.has(2)
    assert store.batches == [(1, 2), (3, 4)]
    await store.answer_all(*again)


async def test_after_a_batch_that_took_long_nobody_rests_long() -> None:
    store = Store()
    coalescer = Coalescer(store.load, at_once=1, rest=1000.0)
    crowd = ask(coalescer, 1, 2)
    await store.has(1)
    await asyncio.sleep(0.01)  # a thousand times that would be ten seconds
    await store.answer_all(*crowd)
    [next_one] = ask(coalescer, 3)
    await asyncio.wait_for(next_one, timeout=5)


async def test_after_a_lone_miss_nobody_waits_and_a_full_batch_never_does() -> None:
    store = Store()
    coalescer = Coalescer(store.load, most=2, at_once=1, rest=1000.0)
    await store.answer_all(*ask(coalescer, 1))
    await store.answer_all(*ask(coalescer, 2))
    assert store.batches == [(1,), (2,)]
    await store.answer_all(*ask(coalescer, 3, 4))
    await store.answer_all(*ask(coalescer, 5, 6))
    assert store.batches[2:] == [(3, 4), (5, 6)]


async def test_it_is_known_how_long_an_answer_takes_as_of_late() -> None:
    store = Store()
    coalescer = Coalescer(store.load)
    assert coalescer.lately_s == 0
    [asked] = ask(coalescer, 1)
    await store.has(1)
    await asyncio.sleep(0.02)
    waited_s = coalescer.lately_s
    assert waited_s >= 0.02
    await store.answer_all(asked)
    assert coalescer.longest_s == 0
    assert coalescer.lately_s >= waited_s
    await coalescer.get(2)
    assert coalescer.lately_s < waited_s


async def test_where_an_answer_has_to_be_fresh_a_question_under_way_is_not_shared() -> None:
    store = Store()
    coalescer = Coalescer(store.load, fresh=True)
    [early] = ask(coalescer, 1)
    await store.has(1)
    late, as_late = ask(coalescer, 1, 1)
    await store.has(2)
    assert store.batches == [(1,), (1,)]
    store.answer(0)
    assert await early == "answer 1"
    assert [late.done(), as_late.done()] == [False, False]
    assert await store.answer_all(late, as_late) == ["answer 1"] * 2
    assert await store.answer_all(*ask(coalescer, 1)) == ["answer 1"]
    assert len(store.batches) == 3
