"""Events: what is accepted is counted exactly once."""

from __future__ import annotations

import uuid
from typing import Any

import asyncpg
import httpx
import pytest

from nova_feed.store.client import Store
from tests.stack import LocalStack, bearer
from tests.waiting import eventually

pytestmark = pytest.mark.e2e
URL = "/api/v1/events"


@pytest.fixture
async def post_id(postgres: asyncpg.Connection) -> int:
    post: int = await postgres.fetchval("INSERT INTO posts (author_id, body) VALUES (2, 'seen') RETURNING id")
    return post


def event(post_id: int, **more: Any) -> dict[str, Any]:
    return {
        "event_id": str(uuid.uuid4()),
        "post_id": post_id,
        "action": "view",
        "device": "web",
        "app_ver": "1.2.3",
    } | more


async def send(
    api: httpx.AsyncClient, stack: LocalStack, *events: dict[str, Any], user: int = 1, scope: str = ""
) -> httpx.Response:
    return await api.post(URL, json={"events": list(events)}, headers=bearer(stack, user, scope))


async def test_the_same_event_twice_is_stored_once(
    api: httpx.AsyncClient, stack: LocalStack, clickhouse: Store, post_id: int
) -> None:
    one = event(post_id)
    first, second = await send(api, stack, one, one), await send(api, stack, one)
    assert (first.status_code, second.status_code) == (202, 202)
    assert (first.json()["accepted"], first.json()["deduped"]) == (1, 1)
    assert second.json()["results"] == [{"index": 0, "status": "duplicate"}]

    async def stored() -> int:
        rows = await clickhouse.sql("SELECT count() AS n FROM events FINAL WHERE post_id = {post:Int64}", post=post_id)
        return int(rows["n"][0])

    assert await eventually(stored, 20) == 1


async def test_an_impression_raises_the_exposures_of_a_hot_post(
    api: httpx.AsyncClient, stack: LocalStack, clickhouse: Store, post_id: int
) -> None:
    views = [event(post_id, action="impression", user_id=user) for user in range(1, 6)]
    assert (await send(api, stack, *views, scope="service")).json()["accepted"] == 5

    async def exposures() -> bool:
        rows = await clickhouse.sql("SELECT exposures FROM hot_posts WHERE post_id = {post:Int64}", post=post_id)
        return bool(rows["exposures"].tolist() == [5])

    assert await eventually(exposures, 20)


async def test_a_wrong_item_never_spoils_the_others(api: httpx.AsyncClient, stack: LocalStack, post_id: int) -> None:
    wrong = [
        event(post_id, action="VIEW"), event(-1), event(2**63), event(post_id, dwell_ms=-1), event(post_id, surprise=1),
        event(post_id, user_id=2), event(post_id, event_time="2001-01-01T00:00:00Z"), event(post_id, app_ver="one"),
        event(post_id, event_time="2026-01-01T00:00:00"), event(post_id, device="a\0b"), event(2**62),
        event(post_id, author_id=3), {"action": "view"}, {"post_id": True, "action": "view"},
    ]  # fmt: skip
    answer = await send(api, stack, *wrong, event(post_id))
    body = answer.json()
    assert answer.status_code == 202
    assert (body["received"], body["accepted"], body["invalid"]) == (len(wrong) + 1, 1, len(wrong))
    assert all(result.get("reason") for result in body["results"][:-1])


async def test_when_no_item_is_valid_the_answer_is_400_with_the_same_results(
    api: httpx.AsyncClient, stack: LocalStack, post_id: int
) -> None:
    answer = await send(api, stack, event(post_id, action="x"))
    assert answer.status_code == 400
    assert answer.json()["results"][0]["status"] == "invalid"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/json", 400), (b"{", "application/json", 400), (b"[]", "application/json", 400),
        (b'{"events": []}', "application/json", 400),
        (b'{"events": [' + b"{}," * 100 + b"{}]}", "application/json", 400),
        (b'{"events": [{}]} x', "application/json", 400), (b'{"events": NaN}', "application/json", 400),
        ('{"events": [{}]}'.encode("utf-16"), "application/json", 400), (b"[" * 10_000, "application/json", 400),
        (b'{"events": [{}]}', "text/plain", 415), (b" " * 300_000, "application/json", 413),
    ],
)  # fmt: skip
async def test_a_faulty_batch_is_refused_whole(
    api: httpx.AsyncClient, stack: LocalStack, body: bytes, kind: str, status: int
) -> None:
    answer = await api.post(URL, content=body, headers=bearer(stack, 1) | {"Content-Type": kind})
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_events_need_a_token(api: httpx.AsyncClient) -> None:
    assert (await api.post(URL, json={"events": [{}]})).status_code == 401
