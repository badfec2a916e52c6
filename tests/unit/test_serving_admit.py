"""Only so many at once: the others are refused at once, and told when to come again."""

from __future__ import annotations

import asyncio
import json
from collections import Counter

import pytest
from starlette.types import Message, Receive, Scope, Send

from nova_feed.serving.admit import AGAIN_S, Admit, Crowd

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
