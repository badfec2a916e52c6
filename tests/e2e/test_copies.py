"""Pages that a process answers from memory: the same page, and nothing in it that must not be seen any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import httpx
import pytest

from tests.app import App
from tests.faults.nemesis import stopped
from tests.reader import Json, Reader, ReaderOf
from tests.stack import LocalStack
from tests.waiting import eventually

pytestmark = pytest.mark.e2e
PROMISED_S = 1.0
LIMIT = 30
_LOCAL = 'nova_feed_cache_lookups_total{cache="feed",level="local"}'
CHANGING = {"response_time_ms", "age_ms", "newer", "cursor"}

REMOVALS: dict[str, Callable[[App, Reader, Json], Awaitable[None]]] = {
    "delete": lambda app, viewer, post: app.delete(post["post_id"]),
    "block": lambda app, viewer, post: app.block(viewer.user_id, post["author_id"]),
    "blocked by the author": lambda app, viewer, post: app.block(post["author_id"], viewer.user_id),
    "mute": lambda app, viewer, post: app.mute(viewer.user_id, post["author_id"]),
    "unfollow": lambda app, viewer, post: app.unfollow(viewer.user_id, post["author_id"]),
    "hide": lambda app, viewer, post: _hide(viewer, post["post_id"]),
}


async def from_memory(api: httpx.AsyncClient) -> float:
    """How many first pages the API's processes have answered without asking anybody."""
    text = (await api.get("/metrics")).text
    [line] = [one for one in text.splitlines() if one.startswith(_LOCAL)]
    return float(line.rpartition(" ")[2])


async def _hide(viewer: Reader, post: int) -> None:
    assert (await viewer.send({"post_id": post, "action": "hide"})).status_code == 202


@pytest.fixture
async def viewer(reader: ReaderOf, app: App) -> Reader:
    """Somebody new who follows up to twenty people with posts on the first page, and has a cached feed."""
    somebody = reader(await app.person())
    shown = (await somebody.page(limit=LIMIT))["posts"]
    for author in list(dict.fromkeys(post["author_id"] for post in shown))[:20]:
        await app.follow(somebody.user_id, author)

    async def is_cached() -> bool:
        page = await somebody.page(limit=LIMIT)
        return bool(page["cache_hit"]) and any("followee" in post["sources"] for post in page["posts"])

    await eventually(is_cached, 15)
    return somebody


async def test_answers_from_memory_are_the_pages_of_one_list_in_every_field(
    viewer: Reader, api: httpx.AsyncClient
) -> None:
    before = await from_memory(api)

    async def answers_from_memory() -> list[Json]:  # not before the follows of this viewer are some seconds old
        asked = [await viewer.page(limit=LIMIT) for _ in range(40)]
        return asked if await from_memory(api) > before else []

    pages = await eventually(answers_from_memory, 30)
    by_list: dict[str, list[Json]] = {}
    for page in pages:
        by_list.setdefault(page["as_of"], []).append({k: v for k, v in page.items() if k not in CHANGING})
    assert all(page == same[0] for same in by_list.values() for page in same)
    assert all(page["cache_hit"] and page["source"] == "cached" for page in pages)
    assert all(0 <= page["age_ms"] < 10_000 for page in pages)


async def test_a_cursor_from_memory_goes_on_where_the_page_ended(viewer: Reader) -> None:
    page = [await viewer.page(limit=5) for _ in range(5)][-1]
    rest = [post["post_id"] for post in await viewer.posts(cursor=page["cursor"])]
    first = [post["post_id"] for post in page["posts"]]
    assert len(first) == 5
    assert not set(first) & set(rest)


@pytest.mark.parametrize("removal", REMOVALS)
async def test_what_must_go_is_gone_from_a_page_that_is_asked_for_without_pause(
    viewer: Reader, app: App, removal: str
) -> None:
    page = await viewer.page(limit=LIMIT)
    post = next(post for post in page["posts"] if "followee" in post["sources"])
    await REMOVALS[removal](app, viewer, post)
    committed, last = time.monotonic(), 0.0
    while (now := time.monotonic()) < committed + 2 * PROMISED_S:
        shown = {one["post_id"] for one in (await viewer.page(limit=LIMIT))["posts"]}
        if post["post_id"] in shown:
            last = now - committed
    assert last <= PROMISED_S


async def test_when_capture_stands_still_pages_are_checked_one_by_one(
    viewer: Reader, app: App, stack: LocalStack
) -> None:
    connect = stack.pid("connect")
    assert isinstance(connect, int)
    post = next(post for post in (await viewer.page(limit=LIMIT))["posts"] if "followee" in post["sources"])
    with stopped([connect]):
        await asyncio.to_thread(time.sleep, PROMISED_S)  # the length of the fault: nothing is told meanwhile
        await app.block(viewer.user_id, post["author_id"])
        authors = {one["author_id"] for one in (await viewer.page(limit=LIMIT))["posts"]}
    assert post["author_id"] not in authors
