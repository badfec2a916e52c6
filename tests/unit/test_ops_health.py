"""Health: one real call for each part, side by side, each within its time."""

from __future__ import annotations

import asyncio

from nova_feed.ops.health import check_all
from tests.unit.test_clock import VirtualClock


async def up() -> str:
    return "18.6"


async def test_a_part_that_answers_is_up_with_its_version() -> None:
    found = await check_all({"postgres": up}, VirtualClock())
    assert (found["postgres"].up, found["postgres"].detail) == (True, "18.6")


async def test_whatever_a_check_raises_means_down_and_why() -> None:
    async def refused() -> str:
        raise ConnectionRefusedError("refused\nand a long story")

    async def silent_failure() -> str:
        raise RuntimeError

    found = await check_all({"kafka": refused, "valkey": silent_failure, "postgres": up}, VirtualClock())
    assert {name: (part.up, part.detail) for name, part in found.items()} == {
        "kafka": (False, "refused"), "valkey": (False, "RuntimeError"), "postgres": (True, "18.6"),
    }  # fmt: skip


async def test_a_part_that_does_not_answer_in_time_is_down() -> None:
    async def hangs() -> str:
        await asyncio.Event().wait()
        return "never"

    found = await check_all({"clickhouse": hangs, "postgres": up}, VirtualClock(), timeout_s=0.01)
    assert (found["clickhouse"].up, found["clickhouse"].detail) == (False, "TimeoutError")
    assert found["postgres"].up


async def test_parts_are_asked_side_by_side() -> None:
    everybody = asyncio.Barrier(3)

    async def waits_for_the_others() -> str:
        await everybody.wait()
        return "met"

    found = await check_all({str(i): waits_for_the_others for i in range(3)}, VirtualClock())
    assert all(part.up for part in found.values())


async def test_latency_is_the_time_of_the_call_in_milliseconds() -> None:
    clock = VirtualClock()

    async def slow() -> str:
        clock.pass_s(0.25)
        return "1"

    assert (await check_all({"kafka": slow}, clock))["kafka"].latency_ms == 250.0


async def test_reasons_are_short_enough_to_be_shown() -> None:
    async def talkative() -> str:
        raise RuntimeError("x" * 10_000)

    assert len((await check_all({"kafka": talkative}, VirtualClock()))["kafka"].detail) == 200
