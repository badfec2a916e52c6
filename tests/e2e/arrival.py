"""The whole path at once, after something broke: a new post reaches a new follower."""

from __future__ import annotations

import asyncpg
import httpx

from tests.app import App
from tests.reader import Json, Reader, ReaderOf
from tests.stack import LocalStack
from tests.waiting import eventually

AGAIN_S = 60  # the breaker of a store that failed stays open for 30 s


async def a_new_post_arrives(stack: LocalStack, reader: ReaderOf) -> None:
    """Raises AssertionError unless it is there within a minute."""
    connection = await eventually(lambda: _connected(stack.facts["postgres_url"]), AGAIN_S)
    app = App(connection)
    author, follower = await app.person(), reader(await app.person())
    await app.follow(follower.user_id, author)
    post = await app.post(author)
    await connection.close()
    await eventually(lambda: _found(follower, post), AGAIN_S)


async def _connected(url: str) -> asyncpg.Connection | None:
    try:
        return await asyncpg.connect(url, timeout=5)
    except (OSError, asyncpg.PostgresError):
        return None


async def _found(follower: Reader, post: int) -> Json | None:
    """The post; None while it is not there, or while the list cannot be read to its end."""
    try:
        return await follower.post(post)
    except (httpx.TransportError, AssertionError):
        return None
