"""Whatever GET /api/v1/feed is asked, the answer is the caller's feed, or a 4xx that says what would be right."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from urllib.parse import urlsplit

import httpx
import pytest

from nova_feed.cache.keys import LIST
from nova_feed.cache.lists import ListCache
from nova_feed.feed.cursor import CursorSigner
from nova_feed.feed.frozen import decode, encode
from nova_feed.ranking import Weights, score_from_payload
from tests.app import App
from tests.e2e.test_bad_input import is_problem
from tests.reader import FEED, Json, Reader, ReaderOf
from tests.stack import LocalStack, bearer
from tests.waiting import eventually

pytestmark = pytest.mark.e2e
READS_S = 15


async def raw(stack: LocalStack, target: str, *headers: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of a request that no client would send: the target goes out as it is."""
    url = urlsplit(stack.facts["api_url"])
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    lines = (f"{method} {target} HTTP/1.1", f"Host: {url.netloc}", "Connection: close", *headers)
    writer.write("\r\n".join((*lines, "", "")).encode("latin-1"))
    async with asyncio.timeout(READS_S):
        answer = await reader.read()
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    return int(first.split()[1]), {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in rest)}, body


async def still_answers(api: httpx.AsyncClient, stack: LocalStack) -> None:
    assert (await api.get(FEED, headers=bearer(stack, 1))).status_code == 200


# ---- whose feed


@pytest.mark.parametrize("query", ["user_id=2", "viewer_id=2", "sub=2", "user=2"])
async def test_nobody_can_ask_for_another_users_feed_whether_there_is_such_a_user_or_not(
    api: httpx.AsyncClient, stack: LocalStack, query: str
) -> None:
    told = set()
    for user in ("2", "999999999"):
        answer = await api.get(f"{FEED}?{query[:-1]}{user}", headers=bearer(stack, 1))
        is_problem(answer, 400)
        told.add(answer.json()["detail"])
    assert len(told) == 1


@pytest.mark.parametrize("path", ["/api/v1/feed/{}", "/api/v1/users/{}/feed", "/api/v1/feed/user/{}"])
async def test_there_is_no_path_of_another_user(api: httpx.AsyncClient, stack: LocalStack, path: str) -> None:
    for user in (1, 2, 999999999):
        is_problem(await api.get(path.format(user), headers=bearer(stack, 1)), 404)


@pytest.mark.parametrize("path", ["/api/v1/feed%0a", "/api/v1/feed/trending%0a", "/health%0a", "/api/v1/feed%00"])
async def test_a_path_that_goes_on_after_its_end_is_none(api: httpx.AsyncClient, stack: LocalStack, path: str) -> None:
    is_problem(await api.get(path, headers=bearer(stack, 1)), 404)


# ---- limits


@pytest.mark.parametrize(
    "limit", ["0", "-1", "101", "1000000000", "abc", "1.5", "1e1", "0x10", "+5", " 5", "", "٣", "9" * 5000]
)
async def test_a_limit_that_is_no_whole_number_of_1_to_100_is_named(
    api: httpx.AsyncClient, stack: LocalStack, limit: str
) -> None:
    answer = await api.get(FEED, params={"limit": limit}, headers=bearer(stack, 1))
    is_problem(answer, 400)
    assert [error["field"] for error in answer.json()["errors"]] == ["limit"]
    assert "1 to 100" in answer.json()["detail"]


async def test_a_limit_told_twice_is_refused_even_when_both_are_the_same(
    api: httpx.AsyncClient, stack: LocalStack
) -> None:
    is_problem(await api.get(f"{FEED}?limit=5&limit=5", headers=bearer(stack, 1)), 400)


@pytest.mark.parametrize("limit", [1, 50, 100])
async def test_a_good_limit_gives_so_many_posts(reader: ReaderOf, limit: int) -> None:
    assert len((await reader(1).page(limit=limit))["posts"]) == limit


# ---- cursors


@pytest.fixture
async def lists(stack: LocalStack) -> AsyncIterator[ListCache]:
    cache = ListCache.connect(stack.facts["redis_url"])
    yield cache
    await cache.close()


@pytest.fixture
def signer(stack: LocalStack) -> CursorSigner:
    """The stack's own."""
    return CursorSigner(json.loads((stack.home / "secrets.json").read_text())["cursor"])


def altered(text: str, at: int) -> str:
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


async def test_a_cursor_that_is_not_ours_is_400(api: httpx.AsyncClient, stack: LocalStack, reader: ReaderOf) -> None:
    good = (await reader(1).page(limit=5))["cursor"]
    wrong = [
        "", "AAAA", "null", "0", good[:-1], good[1:], good + "A", good + "=", good.lower(), good[::-1],
        base64.urlsafe_b64encode(b"x" * 86).decode().rstrip("="), *(altered(good, at) for at in range(0, len(good), 9)),
        "../../etc/passwd", "' OR 1=1 --", "{x:String}", "é" * len(good), "x" * 5_000,
    ]  # fmt: skip
    for text in wrong:
        is_problem(await api.get(FEED, params={"cursor": text}, headers=bearer(stack, 1)), 400)
    assert (await reader(1).get(cursor=good)).status_code == 200


async def test_a_cursor_of_100_kb_is_refused_before_it_is_read(api: httpx.AsyncClient, stack: LocalStack) -> None:
    status, _, _ = await raw(stack, f"{FEED}?cursor={'A' * 100_000}", f"Authorization: Bearer {stack.token(1)}")
    assert status in {400, 414, 431}
    await still_answers(api, stack)


async def test_another_viewers_cursor_is_400_and_told_like_any_other(reader: ReaderOf) -> None:
    cursor = (await reader(1).page(limit=5))["cursor"]
    is_problem(await reader(2).get(cursor=cursor), 400)
    assert (await reader(1).get(cursor=cursor)).status_code == 200


async def test_an_expired_cursor_is_410_and_says_how_to_go_on(
    reader: ReaderOf, lists: ListCache, signer: CursorSigner, stack: LocalStack
) -> None:
    viewer = reader(61)
    cursor = (await viewer.page(limit=5))["cursor"]
    assert (await viewer.get(cursor=cursor)).status_code == 200
    list_id = signer.decode(cursor, 61).list_id
    await lists.client.unlink(LIST.of(61, list_id))
    assert (await viewer.get(cursor=cursor)).status_code == 200  # from its host, which brings it back
    await lists.client.unlink(LIST.of(61, list_id))
    (stack.home / "lists" / f"61.{list_id}").unlink()
    answer = await viewer.get(cursor=cursor)
    is_problem(answer, 410)
    assert "start again without a cursor" in answer.json()["detail"]
    assert (await viewer.page(limit=5))["posts"]


async def test_a_cursor_of_another_version_of_the_service_has_expired(reader: ReaderOf, signer: CursorSigner) -> None:
    cursor = (await reader(1).page(limit=5))["cursor"]
    body = b"\0" + base64.urlsafe_b64decode(cursor + "==")[1:-16]
    older = base64.urlsafe_b64encode(body + signer._mac(body)).decode().rstrip("=")
    is_problem(await reader(1).get(cursor=older), 410)


async def test_a_cursor_of_an_older_score_version_goes_on_with_the_scores_it_began_with(
    reader: ReaderOf, lists: ListCache, signer: CursorSigner
) -> None:
    viewer = reader(62)
    cursor = (await viewer.page(limit=5))["cursor"]
    frozen = decode(await lists.get(62, signer.decode(cursor, 62).list_id) or b"")
    frozen = replace(frozen, weights=Weights(0.5, 0.3, 0.2, version="last year's"))
    await lists.put(62, frozen.list_id, encode(frozen), first=False)
    posts = (await viewer.page(limit=5, cursor=cursor, explain=True))["posts"]
    assert len(posts) == 5
    for post in posts:
        assert post["explanation"]["weights"]["version"] == "last year's"
        assert post["score"] == score_from_payload(post["explanation"])


# ---- headers, paths, methods


@pytest.mark.parametrize(
    ("target", "headers", "statuses"),
    [
        (FEED, [f"X-Long: {'x' * 65_536}"], {200, 400, 431}),
        (FEED, [f"X-{i}: {i}" for i in range(1000)], {400, 431}),
        (FEED, [f"Cookie: {'a=b; ' * 200_000}"], {400, 431}),
        ("/" + "x" * 65_536, [], {400, 404, 414}),
        (f"{FEED}%00", [], {404}),
        (f"{FEED}/", [], {404}),
        (f"/{FEED}", [], {404}),
        ("//api//v1//feed", [], {404}),
        ("/api/v1/..%2ffeed", [], {404}),
        ("/api/v1/../v1/feed", [], {404}),
        ("/api/v1/%2e%2e/v1/feed", [], {404}),
        ("/API/V1/FEED", [], {404}),
        ("/api/v1/fe\u0435d".encode().decode("latin-1"), [], {400, 404}),  # a Cyrillic letter, unencoded
        ("/api/v1/fe%d0%b5d", [], {404}),
        ("/api/v1/feed%ff%fe", [], {404}),
        (f"{FEED}?limit=%00", [], {400}),
        (f"{FEED}?%ff=%fe", [], {400}),
        (f"{FEED}?limit=5#x", [], {200, 400}),
        ("*", [], {400, 404}),
    ],
)  # fmt: skip
async def test_an_odd_path_or_header_is_refused_and_hurts_nobody(
    api: httpx.AsyncClient, stack: LocalStack, target: str, headers: list[str], statuses: set[int]
) -> None:
    status, told, _ = await raw(stack, target, f"Authorization: Bearer {stack.token(1)}", *headers)
    assert status in statuses
    assert "location" not in told
    await still_answers(api, stack)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND", "get"])
async def test_another_method_is_405_with_those_that_are_allowed(stack: LocalStack, method: str) -> None:
    status, told, body = await raw(
        stack, FEED, f"Authorization: Bearer {stack.token(1)}", "X-Secret: s3cret", method=method
    )
    assert (status, told["content-type"]) == (405, "application/problem+json")
    assert {name.strip() for name in told["allow"].split(",")} == {"GET", "HEAD"}
    assert b"s3cret" not in body


async def test_head_is_get_without_the_body(api: httpx.AsyncClient, stack: LocalStack) -> None:
    answer = await api.head(FEED, headers=bearer(stack, 1))
    assert (answer.status_code, answer.headers["content-type"], answer.content) == (200, "application/json", b"")
    assert (await api.head(FEED)).status_code == 401


@pytest.mark.parametrize("accept", ["text/xml", "application/xml;q=0.9, text/*", "application/json;q=0"])
async def test_whoever_takes_no_json_is_told_that_there_is_nothing_else(
    api: httpx.AsyncClient, stack: LocalStack, accept: str
) -> None:
    is_problem(await api.get(FEED, headers=bearer(stack, 1) | {"Accept": accept}), 406)


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/*;q=0.1", "text/html, */*;q=0.1", ""])
async def test_whoever_takes_json_gets_it(api: httpx.AsyncClient, stack: LocalStack, accept: str) -> None:
    answer = await api.get(FEED, headers=bearer(stack, 1) | {"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")


@pytest.mark.parametrize("tag", ["*", '"abc"', 'W/"abc"', "junk"])
async def test_a_feed_is_never_not_modified_for_its_rules_are_read_anew(
    api: httpx.AsyncClient, stack: LocalStack, tag: str
) -> None:
    answer = await api.get(FEED, headers=bearer(stack, 1) | {"If-None-Match": tag})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "private, no-store")
    assert "etag" not in answer.headers


@pytest.mark.parametrize(
    "header",
    [
        {"X-HTTP-Method-Override": "DELETE"}, {"X-Experiment": "all"}, {"X-Nova-Flags": "algo=timeline"},
        {"X-User-Id": "2"}, {"X-Forwarded-User": "2"}, {"X-Original-URL": "/metrics"}, {"Cookie": "user_id=2; sub=2"},
    ],
)  # fmt: skip
async def test_a_header_that_would_override_something_is_ignored(
    api: httpx.AsyncClient, stack: LocalStack, reader: ReaderOf, header: dict[str, str]
) -> None:
    cursor = (await reader(1).page(limit=5))["cursor"]
    plain, asked = [
        (await api.get(FEED, params={"cursor": cursor, "limit": 5}, headers=bearer(stack, 1) | more)).json()
        for more in ({}, header)
    ]
    assert plain["posts"] == asked["posts"]
    assert (plain["algo"], plain["as_of"]) == (asked["algo"], asked["as_of"])


# ---- viewers


async def test_who_follows_nobody_gets_what_is_going_on(reader: ReaderOf, app: App) -> None:
    viewer = reader(await app.person())
    for algo, sources in (("ch", {"trending", "exploration"}), ("timeline", {"timeline"})):
        page = await viewer.page(algo=algo)
        assert len(page["posts"]) == 50
        assert {source for post in page["posts"] for source in post["sources"]} <= sources


async def test_who_follows_5000_people_gets_a_full_feed_of_them_in_time(reader: ReaderOf, app: App) -> None:
    viewer, followees = reader(await app.person()), 5000
    await app.run(
        """WITH silent AS (
            INSERT INTO users (username) SELECT $2::text || n FROM generate_series(1, $3::int - 600) AS n RETURNING id)
        INSERT INTO follows (follower_id, followee_id)
        SELECT $1::bigint, id FROM silent UNION ALL SELECT $1, id FROM users WHERE id <= 600""",
        viewer.user_id, f"of{viewer.user_id}x", followees,
    )  # fmt: skip
    assert len(await app.followees(viewer.user_id)) > 4900  # other tests delete some people

    async def full() -> Json | None:
        page = await viewer.page()
        return page if {"followee"} <= {s for post in page["posts"] for s in post["sources"]} else None

    page = await eventually(full, READS_S)
    assert (len(page["posts"]), page["fallback"]) == (50, False)
    assert page["total_count"] > 300
    timeline = await viewer.posts(algo="timeline")
    assert {post["author_id"] for post in timeline} <= set(range(1, 601))
    took = [(await viewer.page(algo=algo))["response_time_ms"] for algo in ("ch", "timeline") for _ in range(5)]
    assert max(took) < 500


@pytest.mark.parametrize("way", ["blocked", "blocked by"])
async def test_who_blocked_everybody_or_was_blocked_by_everybody_gets_an_empty_feed(
    reader: ReaderOf, app: App, way: str
) -> None:
    viewer = reader(await app.person())
    cursor = (await viewer.page(limit=5))["cursor"]
    pair = "$1, id" if way == "blocked" else "id, $1"
    await app.run(
        f"INSERT INTO blocks (blocker_id, blocked_id) SELECT {pair} FROM users WHERE id <> $1", viewer.user_id
    )
    for parameters in ({}, {"cursor": cursor}, {"algo": "timeline"}):
        page = await viewer.page(**parameters)
        assert (page["posts"], page["cursor"]) == ([], None)
    assert (await viewer.trending(window="7d"))["posts"] == []
    assert (await viewer.suggested())["users"] == []


async def test_a_deleted_user_whose_token_lives_on_is_somebody_new(reader: ReaderOf, app: App) -> None:
    viewer = reader(await app.person())
    for followee in range(2, 30):
        await app.follow(viewer.user_id, followee)

    async def known() -> bool:
        return "followee" in {source for post in (await viewer.page())["posts"] for source in post["sources"]}

    await eventually(known, READS_S)
    await app.leave(viewer.user_id)
    assert not await known()
    assert (await viewer.page())["posts"]
    assert {s for post in (await viewer.page(algo="timeline"))["posts"] for s in post["sources"]} == {"timeline"}


@pytest.mark.parametrize("user_id", [999_999_999, 2**62, 2**63 - 1])
async def test_a_user_who_does_not_exist_is_somebody_new(reader: ReaderOf, user_id: int) -> None:
    viewer: Reader = reader(user_id)
    pages = [page async for page in viewer.pages(limit=100)]
    assert {source for page in pages for post in page["posts"] for source in post["sources"]} <= {
        "trending",
        "exploration",
    }
    assert len(pages[0]["posts"]) == 100
