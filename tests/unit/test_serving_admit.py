"""Only so many at once: the others are refused at once, and told when to come again."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest
from starlette.types import Message, Receive, Scope, Send

from nova_feed.serving.admit import AGAIN_S, BUSY, FEWEST, LONGEST_S, SPENT_S, Admit, Crowd
from nova_feed.serving.admit import MOST as AT_ALL
from tests.unit.test_clock import VirtualClock

MOST = 5


class Slow:
    """An application that answers when it is told to."""

    def __init__(self) -> None:
        self.open, self.inside, self.fails = asyncio.Event(), 0, False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.inside += 1
        await self.open.wait()
        if self.fails:
            raise RuntimeError("a bug")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


async def ask(app: Admit) -> tuple[int, dict[bytes, bytes], bytes]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/api/v1/feed", "headers": [], "query_string": b"",
             "server": ("localhost", 80), "scheme": "http"}  # fmt: skip
    await app(scope, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


async def test_whoever_is_one_too_many_is_refused_at_once_and_told_when_to_come_again() -> None:
    slow, crowd = Slow(), Crowd(most=MOST)
    one, other = Admit(slow, crowd), Admit(slow, crowd)
    inside = [asyncio.create_task(ask((one, other)[i % 2])) for i in range(MOST)]
    await asyncio.sleep(0)
    status, headers, body = await ask(one)
    assert (status, headers[b"retry-after"], slow.inside) == (503, str(AGAIN_S).encode(), MOST)
    assert json.loads(body)["type"] == "urn:nova-feed:problem:overloaded"
    slow.open.set()
    assert Counter(answer[0] for answer in await asyncio.gather(*inside)) == {200: MOST}
    assert (await ask(other))[0] == 200


@pytest.mark.parametrize("how", ["fails", "gives up"])
async def test_a_place_is_free_again_however_a_request_ends(how: str) -> None:
    slow = Slow()
    app = Admit(slow, Crowd(most=1))
    inside = asyncio.create_task(ask(app))
    await asyncio.sleep(0)
    assert (await ask(app))[0] == 503
    slow.fails = how == "fails"
    slow.open.set() if slow.fails else inside.cancel()
    await asyncio.gather(inside, return_exceptions=True)
    slow.fails = False
    slow.open.set()
    assert (await ask(app))[0] == 200


class Busy:
    """A process that is asked all the time, and answers one request after the other, each with ``each_s`` of CPU."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.crowd = Crowd(spent=self.clock.monotonic)

    def answers(self, count: int, each_s: float) -> None:
        """As many as may be are inside; ``count`` of them are answered."""
        for _ in range(count):
            while not self.crowd.full:
                self.crowd.enter()
            self.clock.pass_s(each_s)
            self.crowd.leave()

    def ends(self, each_s: float) -> None:
        """Whoever is inside is answered, and nobody comes for a minute."""
        while self.crowd.inside:
            self.clock.pass_s(each_s)
            self.crowd.leave()
        self.clock.pass_s(60)


@pytest.mark.parametrize("each_s", [0.0015, 0.0025, 0.0035])
def test_as_many_are_let_in_as_are_answered_soon(each_s: float) -> None:
    busy = Busy()
    assert busy.crowd.most == AT_ALL
    busy.answers(500, each_s)
    assert busy.crowd.most * each_s == pytest.approx(SPENT_S, rel=0.05)


@pytest.mark.parametrize(("each_s", "most"), [(0.0001, AT_ALL), (0.5, FEWEST)])
def test_a_batch_is_always_let_in_and_however_quick_they_are_not_everybody(each_s: float, most: int) -> None:
    busy = Busy()
    busy.answers(500, each_s)
    assert busy.crowd.most == most


def test_what_was_learned_of_a_crowd_is_known_when_the_next_one_comes() -> None:
    busy = Busy()
    busy.answers(500, 0.003)
    before = busy.crowd.most
    busy.ends(0.003)
    for _ in range(1000):  # few at a time: nobody bounds the rate but who asks
        for _ in range(BUSY - 1):
            busy.crowd.enter()
        busy.clock.pass_s(1)
        for _ in range(BUSY - 1):
            busy.crowd.leave()
    assert busy.crowd.most == pytest.approx(before, rel=0.05)
    busy.answers(500, 0.0015)
    assert busy.crowd.most == pytest.approx(SPENT_S / 0.0015, rel=0.05)


def test_a_process_that_stood_still_once_is_soon_forgiven() -> None:
    busy = Busy()
    busy.answers(500, 0.002)
    before = busy.crowd.most
    busy.answers(1, 100 * LONGEST_S)
    busy.answers(2 * round(SPENT_S / 0.002), 0.002)
    assert busy.crowd.most == pytest.approx(before, rel=0.05)
