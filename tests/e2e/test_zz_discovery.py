"""Trending and suggestions while a store is away. Runs near the end: it kills parts of the stack that others share."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
import redis.asyncio as redis

from tests.app import App
from tests.e2e.arrival import AGAIN_S
from tests.reader import Json, Reader, ReaderOf
from tests.stack import LocalStack
from tests.waiting import eventually

pytestmark = pytest.mark.e2e
BACK_S = 20


async def test_with_an_empty_cache_both_are_computed_and_then_cached(stack: LocalStack, reader: ReaderOf) -> None:
    await _forget_everything(stack)
    people = [await reader(4).suggested() for _ in range(2)]
    assert [(body["source"], body["fallback"]) for body in people] == [("computed", False), ("cached", False)]

    async def cached() -> bool:  # each API process may answer from its own copy for a second
        body = await reader(4).trending(window="7d")
        assert (body["fallback"], body["count"]) == (False, 50)
        return bool(body["source"] == "cached")

    await eventually(cached, BACK_S)


async def test_without_clickhouse_both_are_counted_in_postgresql_labelled_and_as_safe(
    stack: LocalStack, reader: ReaderOf, app: App
) -> None:
    clickhouse = _pid(stack.pid("clickhouse"))
    os.kill(clickhouse, signal.SIGSTOP)  # it does not answer, and nobody starts another one
    try:
        await _both_fall_back(stack, reader, app)
    finally:
        os.kill(clickhouse, signal.SIGCONT)
    viewers = [reader(number) for number in range(10, 26)]

    async def counted_again() -> bool:  # by every process, nobody's from a cache: many at once reach all of them
        await _forget_everything(stack)
        both = [ask for viewer in viewers for ask in (viewer.trending(window="7d"), viewer.suggested())]
        return not any(body["fallback"] for body in await asyncio.gather(*both))

    await eventually(counted_again, AGAIN_S + 30)


async def _both_fall_back(stack: LocalStack, reader: ReaderOf, app: App) -> None:
    viewer, cold, followed = reader(2), reader(await app.person()), set(await app.followees(2))

    async def fall_back() -> bool:  # until the last copy of a list is gone
        await _forget_everything(stack)
        return all([(await viewer.trending(window="7d"))["fallback"], (await viewer.suggested())["fallback"]])

    await eventually(fall_back, AGAIN_S)
    posts, people = await viewer.trending(window="7d"), await viewer.suggested()
    for body in (posts, people):
        assert (body["source"], body["fallback"], body["reason"].partition(":")[0]) == ("postgres", True, "clickhouse")
    assert posts["count"] == 50
    assert people["users"]
    assert not {2, *followed} & {user["user_id"] for user in people["users"]}
    author, person = posts["posts"][0]["author_id"], people["users"][0]["user_id"]
    await app.block(2, author)
    if person != author:
        await app.block(person, 2)
    assert author not in {post["author_id"] for post in (await viewer.trending(window="7d"))["posts"]}
    assert not {author, person} & {user["user_id"] for user in (await viewer.suggested())["users"]}
    assert (await cold.suggested())["cold_start"]


async def test_without_valkey_both_are_computed(stack: LocalStack, reader: ReaderOf) -> None:
    valkey = _pid(stack.pid("valkey"))
    os.kill(valkey, signal.SIGSTOP)  # it does not answer, and nobody starts another one
    try:
        await eventually(lambda: _tells_valkey(reader(3)), BACK_S)
        posts, people = await reader(3).trending(window="7d"), await reader(3).suggested()
        assert (posts["count"], posts["fallback"]) == (50, False)
        assert (people["source"], people["fallback"], people["count"]) == ("computed", False, 20)
    finally:
        os.kill(valkey, signal.SIGCONT)


async def _tells_valkey(viewer: Reader) -> bool:
    body: Json = await viewer.trending(window="7d")
    return (body["reason"] or "").startswith("valkey: ")


async def _forget_everything(stack: LocalStack) -> None:
    client = redis.Redis.from_url(stack.facts["redis_url"])
    await client.flushall()
    await client.aclose()


def _pid(pid: int | list[int] | None) -> int:
    assert isinstance(pid, int)
    return pid
