"""Nobody reads or writes as somebody else: for every operation and parameter of the served OpenAPI document."""

from __future__ import annotations

import uuid
from typing import Any

import asyncpg
import httpx
import pytest

from nova_feed.ingest.validate import named_key
from tests.app import App
from tests.e2e.test_bad_input import is_problem
from tests.reader import EVENTS, FEED, SUGGESTED, Json, ReaderOf
from tests.stack import LocalStack, bearer

pytestmark = pytest.mark.e2e
A, B = 1, 2
# Under these names a careless service would take another subject than the token's.
NAMES = (
    "user_id",
    "user",
    "viewer_id",
    "viewer",
    "sub",
    "subject",
    "uid",
    "account_id",
    "as",
    "impersonate",
    "author_id",
)
HEADERS = ("X-User-Id", "X-Viewer-Id", "X-Forwarded-User", "X-Remote-User", "X-Subject", "X-Original-User", "User-Id")
NAMED = (("posts", "post_id"), ("users", "user_id"))
DIFFERENT = {FEED, SUGGESTED}  # what A and B are surely not told alike


@pytest.fixture(scope="module")
async def secured(stack: LocalStack) -> list[tuple[str, str, Json]]:
    """(method, path, operation) of every operation that a user's token opens."""
    async with httpx.AsyncClient(base_url=stack.facts["api_url"], timeout=10) as http:
        paths = (await http.get("/openapi.json")).json()["paths"]
    return [(method, path, operation) for path, item in paths.items() for method, operation in item.items()
            if operation.get("security") != [] and path.startswith("/api/")]  # fmt: skip


async def good(api: httpx.AsyncClient, stack: LocalStack, operation: Json) -> dict[str, Any]:
    """Parameters that the operation needs: of A's world."""
    first = (await api.get(FEED, headers=bearer(stack, A))).json()["posts"][0]["post_id"]
    return {p["name"]: first for p in operation.get("parameters", ()) if p.get("required")}


def said(body: Json) -> Json:
    """What an answer says that depends on who asks, and not on the moment: whom and what it names, in which order."""
    listed = [item[key] for name, key in NAMED for item in body.get(name, ())]
    return {"listed": listed} | {name: body.get(name) for name in ("standing", "rule", "sources", "status")}


async def test_no_operation_takes_the_subject_from_a_parameter(
    api: httpx.AsyncClient, stack: LocalStack, secured: list[tuple[str, str, Json]]
) -> None:
    for method, path, operation in secured:
        if method != "get":
            continue
        parameters = await good(api, stack, operation)
        assert not {p["name"] for p in operation.get("parameters", ())} & set(NAMES), path
        for name in NAMES:
            answer = await api.get(path, params=parameters | {name: str(A)}, headers=bearer(stack, B))
            is_problem(answer, 400)
            assert name in answer.json()["detail"]


async def test_no_operation_takes_the_subject_from_a_header(
    api: httpx.AsyncClient, stack: LocalStack, secured: list[tuple[str, str, Json]]
) -> None:
    forged = bearer(stack, B) | dict.fromkeys(HEADERS, str(A))
    for method, path, operation in secured:
        if method != "get":
            continue
        parameters = await good(api, stack, operation) | ({"algo": "timeline"} if path == FEED else {})
        of_a, of_b, asked = [
            (await api.get(path, params=parameters, headers=headers)).json()
            for headers in (bearer(stack, A), bearer(stack, B), forged)
        ]
        assert said(asked) == said(of_b), path
        if path in DIFFERENT:
            assert said(of_a) != said(of_b), path


async def test_a_cursor_of_a_serves_nobody_else_on_any_operation_that_takes_one(
    api: httpx.AsyncClient, stack: LocalStack, secured: list[tuple[str, str, Json]]
) -> None:
    cursor = (await api.get(FEED, params={"limit": 5}, headers=bearer(stack, A))).json()["cursor"]
    takers = [
        path for _, path, operation in secured if "cursor" in {p["name"] for p in operation.get("parameters", ())}
    ]
    assert FEED in takers
    for path in takers:
        assert (await api.get(path, params={"cursor": cursor}, headers=bearer(stack, A))).status_code == 200
        for headers in (bearer(stack, B), bearer(stack, B, "service"), bearer(stack, B, "admin")):
            answer = await api.get(path, params={"cursor": cursor}, headers=headers)
            is_problem(answer, 400)
            assert str(A) not in answer.json()["detail"].split()


async def test_b_sends_no_event_in_the_name_of_a_and_nothing_of_it_is_stored(
    api: httpx.AsyncClient, stack: LocalStack, postgres: asyncpg.Connection
) -> None:
    post = await postgres.fetchval("SELECT max(id) FROM posts")
    name = uuid.uuid4().hex
    item = {"event_id": name, "post_id": post, "action": "hide", "user_id": A}
    is_problem(await api.post(EVENTS, json={"events": [item]}, headers=bearer(stack, B)), 400)
    mixed = [item, {"post_id": post, "action": "view", "event_id": name + "-own"}]
    answer = await api.post(EVENTS, json={"events": mixed}, headers=bearer(stack, B))
    assert [result["status"] for result in answer.json()["results"]] == ["invalid", "accepted"]
    keys = [named_key(subject, name) for subject in (A, B)]
    assert await postgres.fetchval("SELECT count(*) FROM nova_events_seen WHERE key = ANY($1::uuid[])", keys) == 0
    assert not await postgres.fetchval(
        "SELECT EXISTS (SELECT FROM nova_hidden WHERE (user_id, post_id) = ($1, $2))", A, post
    )


async def test_the_same_event_id_of_two_users_is_two_events(
    api: httpx.AsyncClient, stack: LocalStack, postgres: asyncpg.Connection
) -> None:
    post = await postgres.fetchval("SELECT max(id) FROM posts")
    body = {"events": [{"event_id": uuid.uuid4().hex, "post_id": post, "action": "view"}]}
    answers = [await api.post(EVENTS, json=body, headers=bearer(stack, user)) for user in (A, B)]
    assert [answer.json()["accepted"] for answer in answers] == [1, 1], "nobody can use up somebody else's event_id"


async def test_what_one_user_hid_is_hidden_from_nobody_else(reader: ReaderOf, app: App) -> None:
    author, one, other = await app.person(), await app.person(), await app.person()
    post = await app.post(author)
    hidden = await reader(one).send({"post_id": post, "action": "hide"})
    assert hidden.status_code == 202, hidden.text
    asked = [await reader(user).ask("/api/v1/feed/why-not", post_id=post) for user in (one, other)]
    assert [answer.json()["rule"] == "hidden" for answer in asked] == [True, False]
