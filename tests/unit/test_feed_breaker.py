"""The breaker, moment by moment on a virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from prometheus_client import REGISTRY

from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.breaker import CLOSED, HALF_OPEN, OPEN, Breaker
from nova_feed.ops.metrics import BREAKER_TURNS
from tests.unit.test_clock import VirtualClock

Action = Callable[[], Awaitable[str]]


async def works() -> str:
    return "answer"


async def is_away() -> str:
    raise StoreUnavailableError("clickhouse", "no answer")


async def is_full() -> str:
    raise StoreUnavailableError("valkey", "it is full", answers=True)


async def is_wrong() -> str:
    raise LookupError("a wrong query")


async def never_asked() -> str:
    raise AssertionError("the breaker let a call through")


async def fail(breaker: Breaker, times: int, action: Action = is_away) -> None:
    for _ in range(times):
        with pytest.raises((StoreUnavailableError, LookupError)):
            await breaker.call(action)


async def opened(clock: VirtualClock) -> Breaker:
    breaker = Breaker("clickhouse", clock)
    await fail(breaker, 3)
    return breaker


async def test_it_opens_at_the_third_failure_in_a_row() -> None:
    breaker = Breaker("clickhouse", VirtualClock())
    await fail(breaker, 2)
    assert breaker.state == CLOSED
    await fail(breaker, 1)
    assert breaker.state == OPEN


async def test_a_success_in_between_begins_the_count_anew() -> None:
    breaker = Breaker("clickhouse", VirtualClock())
    for _ in range(5):
        await fail(breaker, 2)
        assert await breaker.call(works) == "answer"
    assert breaker.state == CLOSED


async def test_errors_of_the_question_say_nothing_about_the_store() -> None:
    breaker = Breaker("clickhouse", VirtualClock())
    await fail(breaker, 10, is_wrong)
    assert breaker.state == CLOSED


async def test_a_store_that_answers_that_it_is_full_is_not_away() -> None:
    breaker = Breaker("valkey", VirtualClock())
    await fail(breaker, 2)
    await fail(breaker, 10, is_full)
    assert breaker.state == CLOSED
    await fail(breaker, 1)
    assert breaker.state == OPEN


async def test_an_open_breaker_asks_nobody_and_names_the_store() -> None:
    breaker = await opened(VirtualClock())
    with pytest.raises(StoreUnavailableError, match="clickhouse is unavailable: its breaker is open"):
        await breaker.call(never_asked)


async def test_it_stays_open_for_thirty_seconds() -> None:
    clock = VirtualClock()
    breaker = await opened(clock)
    clock.pass_s(29.999)
    assert breaker.state == OPEN
    clock.pass_s(0.001)
    assert breaker.state == HALF_OPEN


async def test_wall_time_that_steps_changes_nothing() -> None:
    clock = VirtualClock()
    breaker = await opened(clock)
    clock.ms += 10**9
    assert breaker.state == OPEN


async def test_a_probe_that_works_closes_it() -> None:
    clock = VirtualClock()
    breaker = await opened(clock)
    clock.pass_s(30)
    assert await breaker.call(works) == "answer"
    assert breaker.state == CLOSED
    await fail(breaker, 2)
    assert breaker.state == CLOSED


async def test_a_probe_that_fails_opens_it_for_another_thirty_seconds() -> None:
    clock = VirtualClock()
    breaker = await opened(clock)
    clock.pass_s(30)
    await fail(breaker, 1)
    assert breaker.state == OPEN
    clock.pass_s(29.999)
    assert breaker.state == OPEN
    clock.pass_s(0.001)
    assert breaker.state == HALF_OPEN


async def under_way(breaker: Breaker, answer: asyncio.Future[str]) -> asyncio.Task[str]:
    """A call under way: it is answered when ``answer`` is."""
    asked = asyncio.Event()

    async def ask() -> str:
        asked.set()
        return await answer

    probe = asyncio.create_task(breaker.call(ask))
    await asked.wait()
    return probe


async def test_one_probe_goes_through_while_the_others_still_fail() -> None:
    clock = VirtualClock()
    breaker = await opened(clock)
    clock.pass_s(30)
    answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    probe = await under_way(breaker, answer)
    await fail(breaker, 5, never_asked)
    answer.set_result("answer")
    assert await probe == "answer"
    assert await breaker.call(works) == "answer"


async def test_a_call_that_fails_after_the_breaker_opened_does_not_keep_it_open() -> None:
    clock = VirtualClock()
    breaker = Breaker("clickhouse", clock)
    outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    slow = await under_way(breaker, outcome)
    await fail(breaker, 3)
    clock.pass_s(20)
    outcome.set_exception(StoreUnavailableError("clickhouse", "no answer"))
    await asyncio.gather(slow, return_exceptions=True)
    clock.pass_s(10)
    assert breaker.state == HALF_OPEN


async def test_a_call_that_works_after_the_breaker_opened_does_not_close_it() -> None:
    breaker = Breaker("clickhouse", VirtualClock())
    outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    slow = await under_way(breaker, outcome)
    await fail(breaker, 3)
    outcome.set_result("answer")
    assert (await slow, breaker.state) == ("answer", OPEN)


async def test_a_call_from_before_a_probe_closed_it_does_not_count_against_it() -> None:
    clock = VirtualClock()
    breaker = Breaker("clickhouse", clock)
    outcome: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    slow = await under_way(breaker, outcome)
    await fail(breaker, 3)
    clock.pass_s(30)
    await breaker.call(works)
    await fail(breaker, 2)
    outcome.set_exception(StoreUnavailableError("clickhouse", "no answer"))
    await asyncio.gather(slow, return_exceptions=True)
    assert breaker.state == CLOSED


async def test_a_probe_that_is_cancelled_leaves_its_place_to_the_next() -> None:
    clock = VirtualClock()
    breaker = await opened(clock)
    clock.pass_s(30)
    probe = await under_way(breaker, asyncio.get_running_loop().create_future())
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    assert breaker.state == HALF_OPEN
    assert await breaker.call(works) == "answer"


async def test_a_probe_with_a_wrong_question_leaves_its_place_to_the_next() -> None:
    clock = VirtualClock()
    breaker = await opened(clock)
    clock.pass_s(30)
    await fail(breaker, 1, is_wrong)
    assert breaker.state == HALF_OPEN
    assert await breaker.call(works) == "answer"


def counted(state: str) -> float:
    return REGISTRY.get_sample_value("nova_feed_breakers", {"store": "counted", "state": state}) or 0.0


async def test_it_is_always_counted_under_one_state_the_one_it_was_last_seen_in() -> None:
    clock = VirtualClock()
    breaker, other = Breaker("counted", clock), Breaker("counted", clock)
    assert [counted(state) for state in (CLOSED, HALF_OPEN, OPEN)] == [2, 0, 0]
    await fail(breaker, 3)
    assert [counted(state) for state in (CLOSED, HALF_OPEN, OPEN)] == [1, 0, 1]
    clock.pass_s(30)

    async def probed() -> str:
        assert [counted(state) for state in (CLOSED, HALF_OPEN, OPEN)] == [1, 1, 0]
        return "answer"

    await breaker.call(probed)
    assert [counted(state) for state in (CLOSED, HALF_OPEN, OPEN)] == [2, 0, 0]
    assert other.state == CLOSED


async def test_every_turn_is_counted_once() -> None:
    def counted() -> dict[str, float]:
        found = {s.labels["turn"]: s.value for m in BREAKER_TURNS.collect() for s in m.samples
                 if s.labels["store"] == "a store" and s.name.endswith("_total")}  # fmt: skip
        return {turn: found.get(turn, 0) for turn in ("opened", "probed", "closed")}

    clock = VirtualClock()
    breaker = Breaker("a store", clock)
    await fail(breaker, 5)
    assert counted() == {"opened": 1, "probed": 0, "closed": 0}
    clock.pass_s(30)
    await fail(breaker, 1)
    assert counted() == {"opened": 2, "probed": 1, "closed": 0}
    clock.pass_s(30)
    await breaker.call(works)
    await breaker.call(works)
    assert counted() == {"opened": 2, "probed": 2, "closed": 1}
