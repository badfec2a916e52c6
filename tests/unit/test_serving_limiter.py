"""Several processes keep one limit together, by reports behind their answers."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_feed.serving.gcra import Quota
from nova_feed.serving.limiter import ALONE_S, Limiter
from tests.caches import BacklogsInMemory
from tests.unit.test_clock import VirtualClock

QUOTA = Quota(600)


def workers(
    number: int, clock: VirtualClock, quota: Quota = QUOTA, hops: int = 3
) -> tuple[list[Limiter], BacklogsInMemory]:
    shared = BacklogsInMemory(clock, hops=hops)
    return [Limiter("reads", quota, shared.spend, clock) for _ in range(number)], shared


async def settled(turns: int = 20) -> None:
    """Let the reports under way be answered."""
    for _ in range(turns):
        await asyncio.sleep(0)


steps = st.lists(
    st.tuples(st.integers(0, 3), st.integers(1, 120), st.sampled_from([0, 0, 0, 0.05, 1, 7]), st.booleans()),
    max_size=150,
)


@settings(max_examples=60, deadline=None)
@given(steps, st.integers(0, 5))
async def test_all_together_never_allow_more_than_the_limit_and_two_chunks_each(
    asked: list[tuple[int, int, float, bool]], hops: int
) -> None:
    clock = VirtualClock()
    four, _ = workers(4, clock, hops=hops)
    allowed: list[tuple[float, int]] = []

    async def ask(worker: Limiter, units: int) -> None:
        if (await worker.take("7", units)).allowed:
            allowed.append((clock.monotonic(), units))

    under_way = []
    for at, units, pause, at_once in asked:
        task = asyncio.create_task(ask(four[at], units))
        under_way.append(task)
        if not at_once:
            await task
        await asyncio.sleep(0)
        clock.pass_s(pause)
    await asyncio.gather(*under_way)
    slack = 4 * max(2 * QUOTA.chunk, 120)
    for i, (start, _) in enumerate(allowed):
        total = sum(units for _, units in allowed[i:])
        assert total <= QUOTA.units + slack + QUOTA.units * (allowed[-1][0] - start) / QUOTA.window_s + 1e-3


async def test_a_caller_who_never_pauses_gets_the_quota_once_and_from_then_on_only_what_is_earned() -> None:
    clock = VirtualClock()
    four, _ = workers(4, clock)
    allowed = 0
    for turn in range(12_000):  # ten minutes, twenty requests a second
        allowed += (await four[turn % 4].take("7")).allowed
        await settled(5)
        clock.pass_s(0.05)
    assert 600 + 6_000 - 20 <= allowed <= 600 + 6_000 + 4 * 2 * QUOTA.chunk


async def test_one_process_alone_is_exact() -> None:
    clock = VirtualClock()
    [one], _ = workers(1, clock)
    verdicts = [(await one.take("7")).allowed for _ in range(700)]
    assert verdicts == [True] * 600 + [False] * 100


async def test_callers_have_nothing_to_do_with_each_other() -> None:
    clock = VirtualClock()
    [one], _ = workers(1, clock)
    assert (await one.take("7", 600)).allowed
    assert not (await one.take("7")).allowed
    assert (await one.take("8", 600)).allowed


async def test_a_refused_request_spends_nothing() -> None:
    clock = VirtualClock()
    [one], _ = workers(1, clock)
    await one.take("7", 590)
    for _ in range(50):
        assert not (await one.take("7", 11)).allowed
    assert (await one.take("7", 10)).allowed


async def test_a_hundred_requests_cost_far_fewer_questions_than_requests() -> None:
    clock = VirtualClock()
    [one], shared = workers(1, clock, Quota(6000))
    for _ in range(1000):
        await one.take("7")
    assert shared.asked <= 1000 / Quota(6000).chunk + 1


async def test_whoever_asks_seldom_costs_no_question_at_all() -> None:
    clock = VirtualClock()
    [one], shared = workers(1, clock)
    for caller in range(1000):
        assert (await one.take(str(caller))).allowed
    assert shared.asked == 0


async def test_a_process_learns_what_the_others_let_through() -> None:
    clock = VirtualClock()
    [one, two], _ = workers(2, clock)
    await one.take("7", 600)
    await settled()
    await two.take("7", QUOTA.chunk)  # a first chunk on trust
    await settled()
    assert not (await two.take("7")).allowed


async def test_without_valkey_each_process_keeps_the_whole_limit_by_itself() -> None:
    clock = VirtualClock()
    [one, two], shared = workers(2, clock)
    shared.away = True
    for worker in (one, two):
        assert sum([(await worker.take("7")).allowed for _ in range(700)]) == 600
    assert shared.asked <= 2 * (1 + 1)


async def test_valkey_is_left_alone_for_a_second_after_it_did_not_answer() -> None:
    clock = VirtualClock()
    [one], shared = workers(1, clock)
    shared.away = True
    await one.take("7", 100)
    await settled()
    for caller in range(50):
        await one.take(str(caller), 100)
    await settled()
    assert shared.asked == 1
    clock.pass_s(ALONE_S)
    shared.away = False
    await one.take("7", 100)
    await settled()
    assert shared.asked > 1


async def test_after_valkey_was_away_a_caller_who_overspent_waits_until_half_of_it_is_earned_back_at_most() -> None:
    clock = VirtualClock()
    [one, two], shared = workers(2, clock)
    shared.away = True
    for worker in (one, two):
        for _ in range(6):
            await worker.take("7", 100)
            await settled()
    shared.away = False
    clock.pass_s(ALONE_S)
    for worker in (one, two, one):
        await worker.take("7", 1)
        await settled()
    refused = await one.take("7", 1)
    assert not refused.allowed
    assert refused.wait_s <= QUOTA.window_s / 2 + 1


async def test_a_caller_who_kept_the_limit_while_valkey_was_away_is_not_refused_when_it_is_back() -> None:
    clock = VirtualClock()
    [one, two], shared = workers(2, clock)
    shared.away = True
    for _ in range(3_000):  # five minutes, nine in ten of what is earned
        for worker in (one, two):
            assert (await worker.take("7")).allowed
        await settled(4)
        clock.pass_s(2 * QUOTA.interval_s / 0.9)
    shared.away = False
    for _ in range(600):
        for worker in (one, two):
            assert (await worker.take("7")).allowed
        await settled(8)
        clock.pass_s(2 * QUOTA.interval_s / 0.9)


async def test_a_valkey_that_answers_now_and_then_is_told_all_the_same() -> None:
    clock = VirtualClock()
    two, shared = workers(2, clock)
    allowed = 0
    for turn in range(2_400):  # two minutes, twenty requests a second
        shared.away = turn % 50 < 25
        allowed += (await two[turn % 2].take("7")).allowed
        await settled(8)
        clock.pass_s(0.05)
    assert allowed <= 600 + 1_200 + 2 * (2 * QUOTA.chunk + 2.3 / QUOTA.interval_s)


@given(st.lists(st.tuples(st.integers(1, 200), st.integers(-(10**10), 10**10)), max_size=40))
async def test_a_step_of_the_wall_clock_changes_nothing(asked: list[tuple[int, int]]) -> None:
    steady, stepped = VirtualClock(), VirtualClock()
    [one], [other] = workers(1, steady)[0], workers(1, stepped)[0]
    for units, step_ms in asked:
        stepped.ms += step_ms
        assert await one.take("7", units) == await other.take("7", units)
        await settled()
        steady.pass_s(1)
        stepped.pass_s(1)


async def test_a_valkey_that_lost_its_keys_gives_nobody_a_second_quota() -> None:
    clock = VirtualClock()
    [one], shared = workers(1, clock)
    await one.take("7", 594)
    await settled()
    shared._free.clear()
    await one.take("7", 6)
    await settled()
    assert not (await one.take("7")).allowed


async def test_memory_is_bounded_and_the_callers_kept_are_those_who_asked_last() -> None:
    clock = VirtualClock()
    shared = BacklogsInMemory(clock)
    one = Limiter("reads", QUOTA, shared.spend, clock, most=100)
    await one.take("regular", 600)
    for caller in range(5_000):
        await one.take(f"stranger {caller}")
        assert not (await one.take("regular")).allowed
    assert len(one) == 100


@pytest.mark.parametrize("hops", [0, 1, 10])
async def test_many_requests_at_once_wait_for_the_report_under_way_and_all_get_an_answer(hops: int) -> None:
    clock = VirtualClock()
    four, _ = workers(4, clock, hops=hops)
    verdicts = await asyncio.gather(*(four[i % 4].take("7") for i in range(3_000)))
    allowed = sum(verdict.allowed for verdict in verdicts)
    assert QUOTA.units <= allowed <= QUOTA.units + 4 * 2 * QUOTA.chunk


async def test_what_is_allowed_without_waiting_is_booked_as_what_is_waited_for() -> None:
    clock = VirtualClock()
    [now, later], _ = workers(2, clock)
    for turn in range(700):
        at_once = now.take_now("7")
        waited = await later.take("8")
        assert (at_once is not None) == waited.allowed
        assert at_once is None or at_once == waited
        await settled()
        clock.pass_s(0.01 * (turn % 3))


async def test_nothing_is_spent_on_what_would_have_to_wait_or_be_refused() -> None:
    clock = VirtualClock()
    [limiter], _ = workers(1, clock)
    spent = 0
    while limiter.take_now("7") is not None:  # no report is answered meanwhile: two chunks are the most
        spent += 1
    assert spent == 2 * QUOTA.chunk
    await settled()
    assert (await limiter.take("7", QUOTA.units - spent)).allowed
    await settled()
    assert [limiter.take_now("7"), (await limiter.take("7")).allowed] == [None, False]
