"""What a viewer has had, or does not want, is not shown again; and an empty feed is no answer."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from nova_feed.ranking import score_from_payload
from tests.app import App
from tests.reader import Reader, ReaderOf
from tests.waiting import eventually

pytestmark = pytest.mark.e2e
WITHIN_S = 20


def seen(post: int, action: str = "impression") -> dict[str, Any]:
    return {"event_id": str(uuid.uuid4()), "post_id": post, "action": action,
            "event_time": datetime.now(UTC).isoformat()}  # fmt: skip


async def until_shown(viewer: Reader, post: int) -> None:
    async def shown() -> bool:
        return await viewer.post(post) is not None

    await eventually(shown, WITHIN_S)


async def test_a_post_that_was_seen_makes_way_for_others_and_only_for_who_saw_it(app: App, reader: ReaderOf) -> None:
    author, viewer, other = await app.person(), reader(await app.person()), reader(await app.person())
    for person in (viewer, other):
        for followee in (author, *range(2, 60)):
            await app.follow(person.user_id, followee)
    post = await app.post(author)
    await until_shown(viewer, post)
    await until_shown(other, post)
    assert (await viewer.send(seen(post))).json()["accepted"] == 1

    async def gone() -> bool:
        return await viewer.post(post) is None

    await eventually(gone, WITHIN_S)
    assert await other.post(post) is not None
    why = (await viewer.ask("/api/v1/feed/why-not", post_id=post)).json()
    assert (why["standing"], why["rule"]) == ("removed", "seen")


async def test_when_everything_was_seen_it_is_shown_again_and_says_so(app: App, reader: ReaderOf) -> None:
    viewer = reader(await app.person())
    posts = [post["post_id"] for post in await viewer.posts()]
    assert posts
    for start in range(0, len(posts), 100):
        assert (await viewer.send(*(seen(post) for post in posts[start : start + 100]))).status_code == 202

    async def again() -> list[bool]:
        page = await viewer.page(limit=50)
        new = [post["post_id"] for post in page["posts"] if not post["seen"]]  # what came to trend meanwhile
        if new:
            assert (await viewer.send(*(seen(post) for post in new))).status_code == 202
        return [] if new else [post["seen"] for post in page["posts"]]

    assert await eventually(again, WITHIN_S)


async def test_a_hidden_post_is_gone_at_once_from_a_cached_list_and_from_later_pages(
    app: App, reader: ReaderOf
) -> None:
    viewer = reader(await app.person())
    for followee in range(2, 40):
        await app.follow(viewer.user_id, followee)

    async def full() -> bool:
        return len((await viewer.page())["posts"]) == 50

    await eventually(full, WITHIN_S)
    first = await viewer.page(limit=10)
    rest = await viewer.page(limit=50, cursor=first["cursor"])
    victims = [first["posts"][0]["post_id"], rest["posts"][5]["post_id"]]
    assert (await viewer.send(*(seen(post, "hide") for post in victims))).json()["accepted"] == 2
    assert victims[1] not in [p["post_id"] for p in (await viewer.page(limit=50, cursor=first["cursor"]))["posts"]]
    assert not set(victims) & {post["post_id"] for post in await viewer.posts()}
    assert not set(victims) & {post["post_id"] for post in await viewer.posts(algo="timeline")}
    assert (await viewer.ask("/api/v1/feed/why-not", post_id=victims[0])).json()["rule"] == "hidden"


async def test_newer_posts_of_followees_are_counted_on_later_pages(app: App, reader: ReaderOf) -> None:
    author, viewer = await app.person(), reader(await app.person())
    for followee in (author, *range(2, 10)):
        await app.follow(viewer.user_id, followee)
    first = await viewer.page(limit=5)
    for _ in range(3):
        await app.post(author)
    await app.post(await app.person())
    second = await viewer.page(limit=5, cursor=first["cursor"])
    assert second["newer"] == first["newer"] + 3


async def test_a_listed_post_is_explained_and_another_is_not_found(app: App, reader: ReaderOf) -> None:
    viewer = reader(1)
    top = (await viewer.page(limit=1))["posts"][0]["post_id"]
    told = (await viewer.ask("/api/v1/feed/explain", post_id=top)).json()
    assert told["standing"] == "listed"
    assert score_from_payload(told["explanation"]) == told["explanation"]["score"]
    assert (await viewer.ask("/api/v1/feed/why-not", post_id=top)).json()["standing"] == "listed"
    mine = await app.post(1)
    assert (await viewer.ask("/api/v1/feed/explain", post_id=mine)).status_code == 404
    assert (await viewer.ask("/api/v1/feed/why-not", post_id=mine)).json()["rule"] == "own"


@pytest.mark.parametrize(
    "wrong", [{}, {"post_id": "0"}, {"post_id": "x"}, {"post_id": str(2**63)}, {"post_id": "1", "q": "1"}]
)
@pytest.mark.parametrize("path", ["/api/v1/feed/explain", "/api/v1/feed/why-not"])
async def test_a_wrong_question_is_refused(reader: ReaderOf, path: str, wrong: dict[str, str]) -> None:
    answer = await reader(1).ask(path, **wrong)
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
