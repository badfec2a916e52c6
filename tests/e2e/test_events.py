"""Events: what is accepted is counted exactly once."""

from __future__ import annotations

import asyncio
import gzip
import json
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
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


def event(post_id: int, /, **more: Any) -> dict[str, Any]:
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


async def test_exposures_of_hours_past_and_present_add_up(
    api: httpx.AsyncClient, stack: LocalStack, clickhouse: Store, post_id: int
) -> None:
    times = [(datetime.now(UTC) - timedelta(hours=hours)).isoformat() for hours in (0, 0, 1, 2, 5, 20)]
    views = [event(post_id, action="impression", event_time=at) for at in times]
    assert (await send(api, stack, *views)).json()["accepted"] == len(times)

    async def exposures() -> bool:
        for view in ("past_counts", "recent_counts"):
            await clickhouse.command(f"SYSTEM REFRESH VIEW {view}")
        rows = await clickhouse.sql("SELECT exposures FROM hot_posts WHERE post_id = {post:Int64}", post=post_id)
        return bool(rows["exposures"].tolist() == [len(times)])

    assert await eventually(exposures, 30)


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


def gzipped(body: bytes, **how: Any) -> bytes:
    return gzip.compress(body, **how)


async def test_a_gzip_body_is_taken(api: httpx.AsyncClient, stack: LocalStack, post_id: int) -> None:
    body = gzipped(json.dumps({"events": [event(post_id)]}).encode())
    headers = bearer(stack, 1) | {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    answer = await api.post(URL, content=body, headers=headers)
    assert (answer.status_code, answer.json()["accepted"]) == (202, 1)


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (gzipped(b" " * 50_000_000), "gzip", 413), (gzipped(b'{"events": [{}]}')[:-4], "gzip", 400),
        (b"no gzip", "gzip", 400), (gzipped(b"{}") + b"more", "gzip", 400), (gzipped(b"{}") * 2, "gzip", 400),
        (b'{"events": [{}]}', "br", 415), (b'{"events": [{}]}', "gzip, gzip", 415), (b"", "gzip", 400),
    ],
)  # fmt: skip
async def test_a_body_that_cannot_be_inflated_within_its_bounds_is_refused(
    api: httpx.AsyncClient, stack: LocalStack, body: bytes, encoding: str, status: int
) -> None:
    headers = bearer(stack, 1) | {"Content-Type": "application/json", "Content-Encoding": encoding}
    answer = await api.post(URL, content=body, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text


async def test_a_body_without_a_length_is_counted_while_it_is_read(api: httpx.AsyncClient, stack: LocalStack) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 10_000

    answer = await api.post(URL, content=endless(), headers=bearer(stack, 1) | {"Content-Type": "application/json"})
    assert answer.status_code == 413


async def test_the_same_event_id_with_another_body_is_a_conflict(
    api: httpx.AsyncClient, stack: LocalStack, clickhouse: Store, post_id: int
) -> None:
    one = event(post_id)
    other = one | {"action": "share"}
    first, second = await send(api, stack, one, other), await send(api, stack, other)
    assert [result["status"] for result in first.json()["results"]] == ["accepted", "conflict"]
    assert (second.status_code, second.json()["conflicts"]) == (202, 1)
    assert "event_id" in second.json()["results"][0]["reason"]

    async def stored() -> list[str]:
        rows = await clickhouse.sql(
            "SELECT CAST(action AS String) AS action FROM events FINAL WHERE post_id = {post:Int64}", post=post_id
        )
        return [str(action) for action in rows["action"]]

    assert await eventually(stored, 20) == ["view"]


@pytest.mark.parametrize(
    "fields",
    [
        {"post_id": 0}, {"post_id": 2**53 + 1}, {"post_id": 2**64}, {"post_id": "1"}, {"post_id": 1.5},
        {"post_id": None},
        {"action": "VIEW"}, {"action": "'; DROP TABLE events"}, {"action": "__proto__"}, {"action": 1},
        {"event_id": ""}, {"event_id": "x" * 10_000}, {"event_id": "a\0b"}, {"event_id": "a\u202eb"},
        {"event_time": "0001-01-01T00:00:00Z"}, {"event_time": "1969-12-31T23:59:59Z"},
        {"event_time": "2107-01-01T00:00:00Z"}, {"event_time": "9999-12-31T23:59:59Z"},
        {"event_time": "2026-11-25T23:59:60Z"}, {"event_time": "2026-11-25T10:00:00+25:00"},
        {"event_time": 1_760_000_000_000_000_000}, {"dwell_ms": -1}, {"dwell_ms": 10**18}, {"dwell_ms": 0.1},
        {"device": "\0"}, {"device": "d" * 65}, {"app_ver": "v1"}, {"user_id": 0}, {"user_id": -1}, {"user_id": 2},
        {"author_id": 3}, {"nested": {"a": 1}},
    ],
)  # fmt: skip
async def test_an_item_with_a_wrong_field_is_invalid_and_says_which(
    api: httpx.AsyncClient, stack: LocalStack, post_id: int, fields: dict[str, Any]
) -> None:
    answer = await send(api, stack, event(post_id, **fields), event(post_id))
    [wrong, good] = answer.json()["results"]
    assert (answer.status_code, wrong["status"], good["status"]) == (202, "invalid", "accepted")
    assert next(iter(fields)) in wrong["reason"]


@pytest.mark.parametrize(
    "device", ["emoji \U0001f600", "'; DROP TABLE users; --", "{x:String}", "${jndi:ldap://x}", "rtl \u05d0"]
)
async def test_strange_text_is_stored_as_it_was_sent(
    api: httpx.AsyncClient, stack: LocalStack, clickhouse: Store, post_id: int, device: str
) -> None:
    assert (await send(api, stack, event(post_id, device=device))).json()["accepted"] == 1

    async def stored() -> str:
        rows = await clickhouse.sql(
            "SELECT CAST(device AS String) AS device FROM events FINAL WHERE post_id = {post:Int64}", post=post_id
        )
        return str(rows["device"][0]) if len(rows["device"]) else ""

    assert await eventually(stored, 20) == device


@pytest.mark.parametrize(
    "body",
    [b'{"events": [{"post_id": 1, "action": "view", "device": "\\ud800"}]}',
     b'{"events": [{"post_id": 1e400, "action": "view"}]}', b'{"events": [{"post_id": Infinity, "action": "view"}]}',
     b'\xef\xbb\xbf{"events": [{}]}', b"null", b'"events"', b"{}", b'{"events": null}', b'{"events": {}}',
     b'{"events": [{}], "more": 1}', b'{"events": [' + b'{"a":' * 5_000 + b"1" + b"}" * 5_000 + b"]}"],
)  # fmt: skip
async def test_json_that_is_not_ours_is_a_400_that_stores_nothing(
    api: httpx.AsyncClient, stack: LocalStack, body: bytes
) -> None:
    answer = await api.post(URL, content=body, headers=bearer(stack, 1) | {"Content-Type": "application/json"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json"), answer.text


async def connected(api: httpx.AsyncClient, stack: LocalStack, length: int, body: bytes) -> tuple[Any, Any]:
    """A connection of our own, on which the head of a request and ``body`` were sent."""
    reader, writer = await asyncio.open_connection(api.base_url.host, api.base_url.port)
    head = [f"POST {URL} HTTP/1.1", "Host: feed", "Content-Type: application/json", f"Content-Length: {length}"]
    head += [f"{name}: {value}" for name, value in bearer(stack, 1).items()]
    writer.write("\r\n".join([*head, "", ""]).encode() + body)
    await writer.drain()
    return reader, writer


async def test_a_body_that_does_not_come_to_its_end_is_given_up(api: httpx.AsyncClient, stack: LocalStack) -> None:
    reader, writer = await connected(api, stack, 1000, b'{"events": [')
    answer = await asyncio.wait_for(reader.readline(), 20)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408")


async def test_a_client_that_did_not_wait_for_the_answer_may_send_again(
    api: httpx.AsyncClient, stack: LocalStack, clickhouse: Store, post_id: int
) -> None:
    batch = [event(post_id) for _ in range(20)]
    body = json.dumps({"events": batch}).encode()
    for _ in range(5):
        _, writer = await connected(api, stack, len(body), body)
        writer.close()
    answer = (await send(api, stack, *batch)).json()
    assert answer["accepted"] + answer["deduped"] == 20

    async def stored() -> int:
        rows = await clickhouse.sql("SELECT count() AS n FROM events FINAL WHERE post_id = {post:Int64}", post=post_id)
        return int(rows["n"][0]) // 20

    assert await eventually(stored, 20) == 1


async def test_two_authorization_headers_are_refused(api: httpx.AsyncClient, stack: LocalStack) -> None:
    one = ("Authorization", bearer(stack, 1)["Authorization"])
    answer = await api.post(URL, json={"events": [{}]}, headers=[one, one])
    assert answer.status_code in {400, 401}


async def test_the_ledger_adds_up(api: httpx.AsyncClient, stack: LocalStack, post_id: int) -> None:
    assert (await send(api, stack, *(event(post_id) for _ in range(100)))).json()["accepted"] == 100
    done = await asyncio.to_thread(stack.nova, "events", "verify", "--wait", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert told["accepted"] == told["stored"] >= 100
    assert told["pending"] == told["missing"] == told["extra"] == told["differing"] == 0


async def test_a_replay_moves_no_count(stack: LocalStack) -> None:
    before = json.loads((await asyncio.to_thread(stack.nova, "events", "verify", "--json")).stdout)
    done = await asyncio.to_thread(stack.nova, "events", "replay", "--from", "beginning")
    after = json.loads((await asyncio.to_thread(stack.nova, "events", "verify", "--wait", "--json")).stdout)
    assert done.returncode == 0, done.stderr
    assert "unchanged" in done.stdout
    assert "what the events say: 0" in done.stdout
    assert after["on_disk"] >= before["on_disk"]
    assert after["stored"] >= before["stored"]
    assert after["adds_up"]


@pytest.mark.parametrize("since", ["yesterday", "2026-11-25T08:00:00", "-1"])
async def test_a_replay_from_no_time_is_refused(stack: LocalStack, since: str) -> None:
    done = await asyncio.to_thread(stack.nova, "events", "replay", f"--from={since}")
    assert (done.returncode, "must be" in done.stderr) == (1, True), done.stderr


async def test_events_need_a_token(api: httpx.AsyncClient) -> None:
    assert (await api.post(URL, json={"events": [{}]})).status_code == 401
