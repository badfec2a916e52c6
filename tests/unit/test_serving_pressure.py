"""Where a process is late, events wait with their senders: so many that it is in time again, and never all of them."""

from __future__ import annotations

import asyncio
import json
import time
from types import SimpleNamespace

import pytest
from starlette.types import Message, Receive, Scope, Send

from nova_feed.clock import SystemClock
from nova_feed.serving.admit import AGAIN_S
from nova_feed.serving.pressure import ALWAYS_PER_S, LATE_S, LEAST, LONG_S, TICK_S, Pressure, Yield
from tests.unit.test_clock import VirtualClock


class Process:
    """One that looks at itself all the time, as its clock says."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.pressure = Pressure(self.clock)

    def is_late(self, late_s: float, seconds: float) -> None:
        until = self.clock.monotonic() + seconds
        while self.clock.monotonic() < until:
            self.clock.pass_s(TICK_S + late_s)
            self.pressure.tell(late_s)

    def lets_in(self, batches: int, seconds: float) -> int:
        """Of so many that come evenly within these seconds."""
        count = 0
        for _ in range(batches):
            self.clock.pass_s(seconds / batches)
            count += self.pressure.admits()
        return count


def test_a_process_that_is_in_time_lets_everything_in() -> None:
    process = Process()
    process.is_late(LATE_S / 2, 60)
    assert not process.pressure.high
    assert process.lets_in(1_000, 1) == 1_000


@pytest.mark.parametrize(("late_s", "seconds"), [(10 * LATE_S, LONG_S / 2), (0.4, 0.4)])
def test_a_pause_refuses_nobody(late_s: float, seconds: float) -> None:
    process = Process()
    process.is_late(late_s, seconds)
    process.is_late(0, 1)
    assert process.lets_in(100, 1) == 100


def test_the_longer_it_is_late_the_fewer_are_let_in_and_a_few_in_any_case() -> None:
    process, seen = Process(), list[int]()
    for _ in range(6):
        process.is_late(2 * LATE_S, 2)
        seen.append(process.lets_in(1_000, 1))
    assert seen == sorted(seen, reverse=True)
    assert seen[0] < 900
    assert 1_000 * LEAST <= seen[-1] <= 1_000 * LEAST + 2 * ALWAYS_PER_S
    assert process.lets_in(10, 10 / ALWAYS_PER_S) == 10  # who sends little is always let in


def test_once_it_is_in_time_again_more_and_more_are_let_in_until_all_are() -> None:
    process, seen = Process(), list[int]()
    process.is_late(10 * LATE_S, 30)
    for _ in range(5):
        process.is_late(0, 2)
        seen.append(process.lets_in(1_000, 1))
    assert seen == sorted(seen)
    assert (seen[0] < 500, seen[-1]) == (True, 1_000)


def test_those_refused_are_spread_evenly() -> None:
    process = Process()
    process.pressure.share = 0.75
    process.lets_in(100, 0.001)  # what is let in besides is used up
    let_in = [process.pressure.admits() for _ in range(40)]
    assert all(sum(let_in[i : i + 4]) == 3 for i in range(36))


async def test_what_it_looks_at_is_how_late_the_loop_is() -> None:
    pressure = Pressure(SystemClock())
    watching = asyncio.create_task(pressure.watch())
    for _ in range(5):
        await asyncio.sleep(TICK_S / 2)
        time.sleep(0.2)  # noqa: ASYNC251  what keeps everybody in a process waiting
    await asyncio.sleep(TICK_S)
    watching.cancel()
    assert pressure.high


@pytest.mark.parametrize("share", [1.0, 0.0])
async def test_who_has_to_wait_is_told_so_before_anything_is_read(share: float) -> None:
    process, asked, sent = Process(), list[Scope](), list[Message]()
    process.pressure.share = share
    process.lets_in(100, 0.001)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope)

    async def receive() -> Message:
        raise AssertionError("nothing of a request that is refused is read")

    async def send(message: Message) -> None:
        sent.append(message)

    holder = SimpleNamespace(state=SimpleNamespace(api=SimpleNamespace(pressure=process.pressure)))
    scope = {"type": "http", "method": "POST", "path": "/api/v1/events", "headers": [], "query_string": b"",
             "server": ("localhost", 80), "scheme": "http", "app": holder}  # fmt: skip
    await Yield(app)(scope, receive, send)
    if share:
        assert asked == [scope]
        return
    assert not asked
    assert sent[0]["status"] == 503
    assert dict(sent[0]["headers"])[b"retry-after"] == str(AGAIN_S).encode()
    told = json.loads(sent[1]["body"])
    assert told["type"] == "urn:nova-feed:problem:overloaded"
    assert "send it again" in told["detail"]
