"""What a viewer must not see any more is gone within a second: fresh, cached, and from an old cursor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from tests.app import App
from tests.reader import Reader, ReaderOf
from tests.waiting import eventually

pytestmark = pytest.mark.e2e
PROMISED_S = 1.0

PARTINGS: dict[str, Callable[[App, int, int], Awaitable[None]]] = {
    "unfollow": App.unfollow,
    "block": App.block,
    "blocked by the author": lambda app, viewer, author: app.block(author, viewer),
    "mute": App.mute,
}


@pytest.fixture
async def viewer(reader: ReaderOf, app: App) -> Reader:
    """Somebody new who follows twenty people, with a list that is cached."""
    somebody = reader(await app.person())
    for author in (await app.followees(1))[:20]:
        await app.follow(somebody.user_id, author)

    async def is_cached() -> bool:
        page = await somebody.page()
        return bool(page["cache_hit"]) and any("followee" in post["sources"] for post in page["posts"])

    await eventually(is_cached, 15)
    return somebody


async def test_a_deleted_post_is_gone_from_the_cached_list(viewer: Reader, app: App) -> None:
    first = (await viewer.page())["posts"][0]["post_id"]
    await app.delete(first)

    async def is_gone() -> bool:
        page = await viewer.page()
        assert page["cache_hit"]
        return first not in {post["post_id"] for post in page["posts"]}

    await eventually(is_gone, PROMISED_S)


@pytest.mark.parametrize("parting", PARTINGS)
async def test_an_author_the_viewer_parts_from_is_gone_from_every_surface(
    viewer: Reader, app: App, parting: str
) -> None:
    cursor = (await viewer.page(limit=5))["cursor"]
    author = next(post["author_id"] for post in await viewer.posts(cursor=cursor) if "followee" in post["sources"])
    await PARTINGS[parting](app, viewer.user_id, author)
    assert author not in await viewer.authors(cursor=cursor)  # a later page is checked when it is asked for

    async def is_gone() -> bool:
        return author not in await viewer.authors()

    await eventually(is_gone, PROMISED_S)
    assert author not in await viewer.authors(algo="timeline")
