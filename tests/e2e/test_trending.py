"""Trending: one list for everybody, of which each sees what they may."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial

import httpx
import pytest
import redis.asyncio as redis

from nova_feed.ranking import Saturation, lawful
from tests.app import REGULARS, App
from tests.reader import TRENDING, Json, Reader, ReaderOf
from tests.stack import LocalStack, bearer
from tests.waiting import eventually

pytestmark = pytest.mark.e2e
WINDOWS = ("1h", "24h", "7d")
PERIOD_S = 60 + 20  # the job's period, and the way of a like to the store, with time to spare on a busy machine
SOON_S = 40  # that way, and a process's own copy of a list, which it keeps for 10 s

REMOVALS: dict[str, Callable[[App, int, Json], Awaitable[None]]] = {
    "block": lambda app, viewer, post: app.block(viewer, post["author_id"]),
    "blocked by the author": lambda app, viewer, post: app.block(post["author_id"], viewer),
    "mute": lambda app, viewer, post: app.mute(viewer, post["author_id"]),
    "the post is deleted": lambda app, viewer, post: app.delete(post["post_id"]),
    "the author is deleted": lambda app, viewer, post: app.leave(post["author_id"]),
}


@pytest.fixture
async def valkey(stack: LocalStack) -> AsyncIterator[redis.Redis]:
    client = redis.Redis.from_url(stack.facts["redis_url"])
    yield client
    await client.aclose()


async def forget(valkey: redis.Redis) -> None:
    """The lists are gone, and counted anew by who needs them: nobody has to wait for the job."""
    await valkey.unlink(*(f"hot:posts:{window}" for window in WINDOWS))


@pytest.fixture(autouse=True)
async def counted(reader: ReaderOf, valkey: redis.Redis) -> None:
    """All of the sample network is counted, not what had arrived when the stack was young."""

    async def is_full(window: str) -> bool:
        if (await reader(1).trending(window=window, limit=100))["count"] == 100:
            return True
        await forget(valkey)
        return False

    for window in WINDOWS[1:]:
        await eventually(partial(is_full, window), PERIOD_S)


async def a_liked_post(app: App, likes: int, comments: int = 0) -> tuple[int, int]:
    """Somebody new with a new post that others like: (author, post)."""
    author = await app.person()
    post = await app.post(author)
    for _ in range(likes):
        await app.like(await app.person(), post)
    for _ in range(comments):
        await app.comment(await app.person(), post)
    return author, post


async def trending_post(viewer: Reader, post: int, **parameters: str) -> Json | None:
    body = await viewer.trending(limit=100, **parameters)
    return next((shown for shown in body["posts"] if shown["post_id"] == post), None)


@pytest.mark.parametrize("window", WINDOWS)
async def test_posts_stand_in_the_order_of_their_engagement_but_for_saturation(reader: ReaderOf, window: str) -> None:
    body = await reader(1).trending(window=window, limit=100)
    posts = body["posts"]
    assert (body["window"], body["count"], body["fallback"], body["reason"]) == (window, len(posts), False, None)
    assert [post["position"] for post in posts] == list(range(len(posts)))
    assert all(post["score"] == post["likes"] + 2 * post["comments"] + 3 * post["shares"] > 0 for post in posts)
    assert lawful([post["author_id"] for post in posts], Saturation())
    best: dict[int, Json] = {}
    for post in posts:  # each author's posts come best first, and nobody's best is worse than what stands far behind it
        assert best.setdefault(post["author_id"], post)["score"] >= post["score"]
    if window != "1h":
        assert len(posts) == 100


async def test_a_longer_window_counts_no_less(reader: ReaderOf) -> None:
    day, week = [
        {post["post_id"]: post["score"] for post in (await reader(1).trending(window=window, limit=100))["posts"]}
        for window in ("24h", "7d")
    ]
    assert all(week.get(post, 10**9) >= score - 1 for post, score in day.items())


async def test_the_list_is_there_before_anybody_asks_and_never_older_than_two_rounds(reader: ReaderOf) -> None:
    for window in WINDOWS:
        body = await reader(1).trending(window=window)
        assert (body["source"], body["cache_hit"]) == ("cached", True)
        assert body["age_ms"] < 2 * PERIOD_S * 1000


async def test_a_like_moves_a_post_up_within_the_jobs_period_and_an_unlike_takes_it_back(
    reader: ReaderOf, app: App, valkey: redis.Redis
) -> None:
    author, post = await a_liked_post(app, likes=60, comments=70)
    viewer, fan = reader(await app.person()), await app.person()

    async def scores(wanted: int) -> Json | None:
        shown = await trending_post(viewer, post)
        return shown if shown and shown["score"] == wanted else None

    async def scores_now(wanted: int) -> Json | None:
        await forget(valkey)
        return await scores(wanted)

    shown = await eventually(lambda: scores_now(200), SOON_S)
    assert (shown["likes"], shown["comments"]) == (60, 70)
    assert shown["position"] < 5
    await app.like(fan, post)
    await eventually(lambda: scores(201), PERIOD_S)  # the job's doing: the list there was good for longer
    await app.unlike(fan, post)
    await eventually(lambda: scores_now(200), SOON_S)
    assert await trending_post(reader(author), post) is None  # one's own posts are no news


async def test_a_share_counts_three(reader: ReaderOf, app: App, valkey: redis.Redis) -> None:
    _, post = await a_liked_post(app, likes=30)
    viewer = reader(await app.person())
    answer = await viewer.send({"post_id": post, "action": "share"})
    assert answer.json()["accepted"] == 1

    async def with_share() -> Json | None:
        await forget(valkey)
        shown = await trending_post(viewer, post)
        return shown if shown and shown["shares"] else None

    shown = await eventually(with_share, SOON_S)
    assert (shown["likes"], shown["shares"], shown["score"]) == (30, 1, 33)


@pytest.mark.parametrize("removal", REMOVALS)
async def test_what_a_viewer_must_not_see_is_gone_with_the_next_answer(
    reader: ReaderOf, app: App, removal: str
) -> None:
    viewer = reader(await app.person())
    before = await viewer.trending(window="7d")
    victim = next(post for post in before["posts"][2:] if post["author_id"] > REGULARS)
    gone_authors = {victim["author_id"]} if removal != "the post is deleted" else set()
    since = time.monotonic()
    await REMOVALS[removal](app, viewer.user_id, victim)
    for _ in range(6):  # every API process answers at least once
        after = await viewer.trending(window="7d")
        assert victim["post_id"] not in {post["post_id"] for post in after["posts"]}
        assert not gone_authors & {post["author_id"] for post in after["posts"]}
        assert after["count"] == before["count"]
    assert time.monotonic() - since < 1


async def test_somebody_who_blocked_every_author_gets_an_empty_list(reader: ReaderOf, app: App) -> None:
    viewer = reader(await app.person())
    for _ in range(60):
        posts = (await viewer.trending(limit=100))["posts"]
        if not posts:
            break
        for author in {post["author_id"] for post in posts}:
            await app.block(viewer.user_id, author)
    body = await viewer.trending(limit=100)
    assert (body["posts"], body["count"]) == ([], 0)


async def test_a_user_who_does_not_exist_sees_what_trends_like_anybody(reader: ReaderOf) -> None:
    assert (await reader(2**62).trending(window="24h"))["posts"]


@pytest.mark.parametrize(
    ("query", "field", "told"),
    [
        ("limit=0", "limit", "1 to 100"), ("limit=101", "limit", "1 to 100"), ("limit=-1", "limit", "1 to 100"),
        ("limit=1.5", "limit", "1 to 100"), ("limit=abc", "limit", "1 to 100"), ("limit=", "limit", "1 to 100"),
        ("limit=1000000000", "limit", "1 to 100"), ("limit=%D9%A3", "limit", "1 to 100"),
        ("limit=5&limit=5", "limit", "more than once"), ("window=2h", "window", "1h, 24h, 7d"),
        ("window=", "window", "1h, 24h, 7d"), ("window=1H", "window", "1h, 24h, 7d"),
        ("window=1h&window=7d", "window", "more than once"), ("window=%27%20OR%201=1", "window", "1h, 24h, 7d"),
        ("cursor=abc", "cursor", "window, limit"), ("user_id=2", "user_id", "window, limit"),
        ("window=" + "x" * 5000, "window", "1h, 24h, 7d"),
    ],
)  # fmt: skip
async def test_a_wrong_parameter_is_named_with_what_would_be_right(
    api: httpx.AsyncClient, stack: LocalStack, query: str, field: str, told: str
) -> None:
    answer = await api.get(f"{TRENDING}?{query}", headers=bearer(stack, 1))
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["errors"][0]["field"] == field
    assert told in answer.json()["detail"]


async def test_without_a_token_nobody_is_told_anything(api: httpx.AsyncClient) -> None:
    answer = await api.get(TRENDING)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
