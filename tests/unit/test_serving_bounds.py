"""A request that says too much before its body is refused, and the application never sees it."""

from __future__ import annotations

import pytest
from starlette.types import Message, Receive, Scope, Send

from nova_feed.serving.bounds import LARGEST_HEADERS, LONGEST_TARGET, Bounds

SCOPE: Scope = {"type": "http", "method": "GET", "path": "/x", "raw_path": b"/x", "query_string": b"", "headers": [],
                "server": ("localhost", 80), "scheme": "http"}  # fmt: skip


async def status_of(**changes: object) -> int:
    """What is answered; 200 when the application was reached."""
    sent: list[Message] = []

    async def reached(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await Bounds(reached)({**SCOPE, **changes}, receive, send)
    status: int = sent[0]["status"]
    return status


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 200),
        ({"raw_path": b"/" * LONGEST_TARGET}, 200),
        ({"raw_path": b"/" * (LONGEST_TARGET + 1)}, 414),
        ({"query_string": b"q" * (LONGEST_TARGET - 2)}, 200),
        ({"query_string": b"q" * (LONGEST_TARGET - 1)}, 414),
        ({"raw_path": None, "path": "/" * (LONGEST_TARGET + 1)}, 414),
        ({"path": "/api/v1/feed\n"}, 404),
        ({"path": "/api/v1/feed\x00"}, 404),
        ({"path": "/é"}, 200),
        ({"headers": [(b"a", b"b" * (LARGEST_HEADERS - 1))]}, 200),
        ({"headers": [(b"a", b"b" * LARGEST_HEADERS)]}, 431),
        ({"headers": [(b"a" * 500, b"b" * 500)] * 33}, 431),
    ],
)
async def test_target_and_headers_have_a_length_they_may_not_exceed(changes: dict[str, object], status: int) -> None:
    assert await status_of(**changes) == status


async def test_a_lifespan_has_neither_and_passes() -> None:
    async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
        scope["seen"] = True

    scope: Scope = {"type": "lifespan"}

    async def never() -> Message:
        raise AssertionError

    async def sink(message: Message) -> None: ...

    await Bounds(nothing)(scope, never, sink)
    assert scope["seen"]
