"""The canary is seen by nobody else, and leaves little behind."""

from __future__ import annotations

import json

import asyncpg
import pytest

from nova_feed.model import CANARY_AUTHOR, CANARY_VIEWER
from tests.app import App
from tests.reader import Json, ReaderOf
from tests.stack import LocalStack
from tests.waiting import eventually

pytestmark = pytest.mark.e2e
SOON_S = 90  # a few rounds
STAGES = ["accept", "broker", "clickhouse", "counters", "cache", "feed"]


@pytest.fixture
async def author(stack: LocalStack, postgres: asyncpg.Connection) -> int:
    """The canary's author, after a round."""
    await last_round(stack)
    found: int = await postgres.fetchval("SELECT id FROM users WHERE username = $1", CANARY_AUTHOR)
    return found


async def last_round(stack: LocalStack) -> Json:
    """A round that went well, as `nova status` tells it."""

    async def went_well() -> Json | None:
        canary: Json | None = json.loads(stack.nova("status", "--json").stdout)["canary"]
        return canary if canary and canary["at"] else None

    return await eventually(went_well, SOON_S)


async def test_status_tells_how_long_every_stage_took(stack: LocalStack) -> None:
    told = (await last_round(stack))["seconds"]
    assert set(told) == {*STAGES, "post"}
    assert 0 < told["feed"] < 30
    assert "ms after the event: accept" in stack.nova("status").stdout


async def test_the_canary_leaves_two_users_and_one_post(
    stack: LocalStack, postgres: asyncpg.Connection, author: int
) -> None:
    names = await postgres.fetch("SELECT username FROM users WHERE username LIKE 'nova\\_canary\\_%' ORDER BY 1")
    assert [row[0] for row in names] == [CANARY_AUTHOR, CANARY_VIEWER]
    assert await postgres.fetchval("SELECT count(*) FROM posts WHERE author_id = $1", author) <= 2


@pytest.mark.parametrize("algo", ["ch", "timeline"])
async def test_nobody_else_is_shown_a_post_of_the_canary(app: App, reader: ReaderOf, author: int, algo: str) -> None:
    # Somebody who follows nobody is shown the newest posts of all, and the canary's are the newest.
    authors = await reader(await app.person()).authors(algo=algo)
    assert authors
    assert author not in authors | await reader(1).authors(algo=algo)


async def test_the_canary_is_suggested_to_nobody_even_when_it_is_followed(
    stack: LocalStack, app: App, reader: ReaderOf, postgres: asyncpg.Connection, author: int
) -> None:
    friend, viewer = await app.person(), reader(await app.person())
    await app.follow(friend, author)
    await app.follow(friend, 1)
    await app.follow(viewer.user_id, friend)

    async def suggested() -> set[int]:
        users = (await viewer.suggested())["users"]
        return {user["user_id"] for user in users}

    async def friends_of_friends() -> set[int] | None:
        found = await suggested()
        return found if 1 in found else None

    assert author not in await eventually(friends_of_friends, 30)
