"""Suggested users: whom to follow, and why, as far as it holds this second."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import asyncpg
import httpx
import pytest

from nova_feed.store.client import Store
from tests.app import REGULARS, App
from tests.reader import SUGGESTED, Json, Reader, ReaderOf
from tests.stack import LocalStack, bearer
from tests.waiting import eventually

pytestmark = pytest.mark.e2e
SOON_S = 30  # a list of somebody of whom nothing is known is made anew after 10 s
_LIKES = """
SELECT count() AS n FROM likes FINAL
WHERE post_id IN (SELECT id FROM posts FINAL WHERE author_id IN {authors:Array(Int64)})
"""

REMOVALS: dict[str, Callable[[App, int, int], Awaitable[None]]] = {
    "follow": App.follow,
    "block": App.block,
    "blocked by them": lambda app, viewer, person: app.block(person, viewer),
    "mute": App.mute,
    "muted by them": lambda app, viewer, person: app.mute(person, viewer),
    "account deleted": lambda app, viewer, person: app.leave(person),
}


def found(body: Json, person: int) -> Json | None:
    return next((user for user in body["users"] if user["user_id"] == person), None)


async def suggestion(viewer: Reader, person: int, kind: str = "") -> Json | None:
    """A person among the suggestions, with a reason of this kind if one is asked for."""
    user = found(await viewer.suggested(limit=50), person)
    return user if user and (not kind or any(reason["kind"] == kind for reason in user["reasons"])) else None


def reason_of(user: Json, kind: str) -> Json:
    reason: Json = next(reason for reason in user["reasons"] if reason["kind"] == kind)
    return reason


async def test_every_suggestion_is_a_stranger_with_reasons_that_add_up(
    reader: ReaderOf, app: App, postgres: asyncpg.Connection
) -> None:
    body = await reader(1).suggested(limit=50)
    ids = [user["user_id"] for user in body["users"]]
    assert len(ids) == len(set(ids)) == body["count"] == 50
    assert not {1, *(await app.followees(1))} & set(ids)
    assert not body["cold_start"]
    names = {row[0]: row[1] for row in await postgres.fetch("SELECT id, username FROM users")}
    scores = [user["score"] for user in body["users"]]
    assert scores == sorted(scores, reverse=True)
    for user in body["users"]:
        assert user["username"] == names[user["user_id"]]
        assert user["score"] == sum(reason["term"] for reason in user["reasons"])
        assert user["reason"] == user["reasons"][0]["text"]
        for reason in user["reasons"]:
            assert all(named["username"] == names[named["user_id"]] for named in reason["users"])
            if reason["kind"] in {"followed_by", "similar"}:
                assert {named["user_id"] for named in reason["users"]} <= set(await app.followees(1))
    kinds = {reason["kind"] for user in body["users"] for reason in user["reasons"]}
    assert {"followed_by", "similar", "read", "also_read"} <= kinds


async def test_friends_of_friends_are_suggested_with_who_follows_them(reader: ReaderOf, app: App) -> None:
    viewer, first, second, third, wanted = [await app.person() for _ in range(5)]
    for friend in (first, second, third):
        await app.follow(viewer, friend)
        await app.follow(friend, wanted)
    user = await eventually(lambda: suggestion(reader(viewer), wanted, "followed_by"), SOON_S)
    reason = reason_of(user, "followed_by")
    assert (reason["amount"], {named["user_id"] for named in reason["users"]}) == (3, {first, second, third})
    assert reason["text"].startswith("followed by ")
    assert reason["text"].endswith(" and 1 other you follow")
    await app.block(viewer, third)  # whom the viewer blocked is named by no reason, from now on
    later = await suggestion(reader(viewer), wanted)
    assert later
    reason = reason_of(later, "followed_by")
    assert {named["user_id"] for named in reason["users"]} == {first, second}
    assert reason["text"] == "followed by " + " and ".join(named["username"] for named in reason["users"])


async def test_who_follows_the_same_people_is_suggested(reader: ReaderOf, app: App) -> None:
    viewer, twin, first, second = [await app.person() for _ in range(4)]
    for person in (viewer, twin):
        await app.follow(person, first)
        await app.follow(person, second)
    user = await eventually(lambda: suggestion(reader(viewer), twin, "similar"), SOON_S)
    assert user["reason"].startswith("follows ")
    assert reason_of(user, "similar")["amount"] == 2


async def test_an_author_one_reads_but_does_not_follow_is_suggested(reader: ReaderOf, app: App) -> None:
    viewer, author = await app.person(), await app.person()
    for _ in range(3):
        await app.like(viewer, await app.post(author))
    user = await eventually(lambda: suggestion(reader(viewer), author, "read"), SOON_S)
    assert (user["reason"], reason_of(user, "read")["amount"]) == ("you often read their posts", 3)


async def test_what_readers_of_the_same_author_read_is_suggested(reader: ReaderOf, app: App, clickhouse: Store) -> None:
    viewer, shared, wanted = [await app.person() for _ in range(3)]
    others = [await app.person() for _ in range(3)]
    for person in (viewer, *others):
        await app.like(person, await app.post(shared))
    for person in others:
        await app.like(person, await app.post(wanted))

    async def arrived() -> bool:
        rows = await clickhouse.sql(_LIKES, authors=[shared, wanted])
        return int(rows["n"][0]) == 4 + 3

    await eventually(arrived, SOON_S)  # a list that is asked for before is kept for minutes, and knows nothing of them

    async def suggested() -> Json | None:
        for view in ("affinity", "readers"):  # on their own they are rebuilt within minutes
            await clickhouse.command(f"SYSTEM REFRESH VIEW {view}")
            await clickhouse.command(f"SYSTEM WAIT VIEW {view}")
        return await suggestion(reader(viewer), wanted, "also_read")

    user = await eventually(suggested, SOON_S)
    reason = reason_of(user, "also_read")
    assert (reason["amount"], [named["user_id"] for named in reason["users"]]) == (3, [shared])


@pytest.mark.parametrize("removal", REMOVALS)
async def test_who_must_not_be_suggested_is_gone_with_the_next_answer(reader: ReaderOf, app: App, removal: str) -> None:
    viewer = reader(await app.person())
    for followee in (await app.followees(2))[:10]:
        await app.follow(viewer.user_id, followee)

    async def is_cached() -> Json | None:
        body = await viewer.suggested(limit=50)
        return body if body["cache_hit"] and not body["cold_start"] else None

    before = await eventually(is_cached, SOON_S)
    victim = next(user["user_id"] for user in before["users"][1:] if user["user_id"] > REGULARS)
    since = time.monotonic()
    await REMOVALS[removal](app, viewer.user_id, victim)
    for _ in range(6):  # every API process answers at least once
        body = await viewer.suggested()
        assert not found(body, victim)
        assert body["count"] == 20
        named = {named["user_id"] for user in body["users"] for reason in user["reasons"] for named in reason["users"]}
        assert victim not in named or removal == "follow"
    assert time.monotonic() - since < 1


async def test_whom_one_unfollowed_names_nobody_and_is_not_suggested_again(reader: ReaderOf, app: App) -> None:
    viewer, friend, other, wanted = [await app.person() for _ in range(4)]
    for followee in (friend, other):
        await app.follow(viewer, followee)
    await app.follow(friend, wanted)
    await app.follow(other, friend)
    await eventually(lambda: suggestion(reader(viewer), wanted, "followed_by"), SOON_S)
    await app.unfollow(viewer, friend)
    user = await suggestion(reader(viewer), wanted)
    assert not user or "followed_by" not in {reason["kind"] for reason in user["reasons"]}
    assert not await suggestion(reader(viewer), friend)


async def test_a_viewer_of_whom_nothing_is_known_gets_popular_authors_labelled_so(reader: ReaderOf, app: App) -> None:
    body = await reader(await app.person()).suggested()
    assert (body["cold_start"], body["count"], body["fallback"]) == (True, 20, False)
    assert {user["reason"] for user in body["users"]} == {"popular here"}
    amounts = [user["reasons"][0]["amount"] for user in body["users"]]
    assert amounts == sorted(amounts, reverse=True)


async def test_a_user_who_does_not_exist_gets_popular_authors(reader: ReaderOf) -> None:
    assert (await reader(2**62).suggested())["cold_start"]


async def test_somebody_who_follows_thousands_is_answered_in_time(
    reader: ReaderOf, app: App, postgres: asyncpg.Connection
) -> None:
    viewer = await app.person()
    await postgres.execute(
        "INSERT INTO follows (follower_id, followee_id) SELECT $1, id FROM users WHERE id <> $1 AND id % 5 > 0", viewer
    )

    async def whole() -> Json | None:
        # Half a second earlier ClickHouse has a part of the follows, and who is followed by now is missing.
        body = await reader(viewer).suggested(limit=50)
        return body if not body["cold_start"] and body["count"] == 50 else None

    body = await eventually(whole, SOON_S)
    assert not {user["user_id"] for user in body["users"]} & set(await app.followees(viewer))


@pytest.mark.parametrize(
    ("query", "field", "told"),
    [
        ("limit=0", "limit", "1 to 50"), ("limit=51", "limit", "1 to 50"), ("limit=-1", "limit", "1 to 50"),
        ("limit=1.5", "limit", "1 to 50"), ("limit=abc", "limit", "1 to 50"), ("limit=", "limit", "1 to 50"),
        ("limit=1e1", "limit", "1 to 50"), ("limit=5&limit=5", "limit", "more than once"),
        ("limit=" + "9" * 5000, "limit", "1 to 50"), ("window=1h", "window", "limit"),
        ("user_id=2", "user_id", "limit"),
    ],
)  # fmt: skip
async def test_a_wrong_parameter_is_named_with_what_would_be_right(
    api: httpx.AsyncClient, stack: LocalStack, query: str, field: str, told: str
) -> None:
    answer = await api.get(f"{SUGGESTED}?{query}", headers=bearer(stack, 1))
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json()["errors"][0]["field"] == field
    assert told in answer.json()["detail"]


async def test_without_a_token_nobody_is_told_anything(api: httpx.AsyncClient) -> None:
    answer = await api.get(SUGGESTED)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
