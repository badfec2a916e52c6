"""The load generator against a real socket: every request that was due while a server stood still has waited."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

import fixed_rate
from fixed_rate import Plan

pytestmark = pytest.mark.integration
STILL_S = 0.5
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextlib.asynccontextmanager
async def serving(answer: Callable[[bytes], Awaitable[bytes]]) -> AsyncIterator[str]:
    """The URL of a server that answers each request with the bytes of ``answer``."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                writer.write(await answer(await reader.readuntil(b"\r\n\r\n")))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await asyncio.sleep(0)


async def test_requests_that_were_due_while_the_server_stood_still_have_waited(tmp_path: Path) -> None:
    asked: list[bytes] = []

    async def answer(head: bytes) -> bytes:
        asked.append(head)
        if len(asked) == 20:
            await asyncio.sleep(STILL_S)
        return OK

    tokens = tmp_path / "tokens"
    tokens.write_text("one\ntwo\n")
    async with serving(answer) as url:
        plan = Plan(url, "/feed", str(tokens), "", rate=200, seconds=1, connections=1)
        seen = await asyncio.to_thread(fixed_rate.run, plan, np.array([0, 1]))
    assert seen.statuses() == {"200": 200}
    assert [b"GET /feed HTTP/1.1" in asked[0], b"Bearer one" in asked[0], b"Bearer two" in asked[1]] == [True] * 3
    since = seen.due[20:100] - seen.due[19]  # due in the 400 ms after: a closed loop would have counted one of them
    assert (seen.seconds[20:100] > STILL_S - since - 0.1).all()


async def test_a_server_that_cannot_keep_up_is_not_waited_for_without_end(tmp_path: Path) -> None:
    async def answer(_: bytes) -> bytes:
        await asyncio.sleep(0.1)
        return OK

    tokens = tmp_path / "tokens"
    tokens.write_text("one\n")
    async with serving(answer) as url:
        plan = Plan(url, "/", str(tokens), "", rate=1000, seconds=1, connections=1, timeout_s=0.5)
        seen = await asyncio.to_thread(fixed_rate.run, plan, np.array([0]))
    assert len(seen.seconds) == 1000
    assert seen.statuses()["lost"] > 900
    assert float((seen.due + seen.seconds).max()) < 3


async def test_what_is_not_answered_in_time_is_lost(tmp_path: Path) -> None:
    async def answer(_: bytes) -> bytes:
        return b""

    tokens = tmp_path / "tokens"
    tokens.write_text("one\n")
    async with serving(answer) as url:
        plan = Plan(url, "/", str(tokens), "", rate=20, seconds=1, connections=20, timeout_s=0.2)
        seen = await asyncio.to_thread(fixed_rate.run, plan, np.array([0]))
    assert seen.statuses() == {"lost": 20}
    assert (seen.seconds > 0.19).all()
