"""Flags and configuration change while everything runs, by those who may, and every worker follows in a second."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import httpx
import pytest

from nova_feed.runtime import CONFIG, FLAGS
from nova_feed.serving.admin_openapi import ADMIN_OPENAPI
from nova_feed.serving.admin_routes import ADMIN_ROUTES
from nova_feed.serving.debug_routes import DEBUG_ROUTES
from nova_feed.serving.sample_routes import SAMPLE_ROUTES
from tests.e2e.admin import SOON_S, Operator
from tests.e2e.test_bad_input import is_problem
from tests.reader import ReaderOf
from tests.stack import LocalStack, bearer
from tests.waiting import eventually

pytestmark = pytest.mark.e2e
VIEWER = 1
FLAGS_PATH, CONFIG_PATH = "/admin/flags", "/admin/config"
HISTORY, ROLLBACK = "/admin/runtime/history", "/admin/runtime/rollback"
GUARDED = [
    (route.path.format(user_id=1, post_id=1), method)
    for route in (*ADMIN_ROUTES, *DEBUG_ROUTES, ADMIN_OPENAPI, *SAMPLE_ROUTES)
    for method in sorted(route.methods or ())
]


@pytest.fixture
async def listener(stack: LocalStack) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the admin listener, without a token."""
    async with httpx.AsyncClient(base_url=stack.facts["admin_url"], timeout=15) as http:
        yield http


@pytest.fixture
async def operator(listener: httpx.AsyncClient, stack: LocalStack) -> AsyncIterator[Operator]:
    """The person on call; whatever was changed is as it was afterwards."""
    somebody = Operator(listener, stack)
    before = (await somebody.get(HISTORY))["version"]
    yield somebody
    if (await somebody.get(HISTORY))["version"] != before:
        await somebody.back_to_settings()


@pytest.mark.parametrize(("path", "method"), GUARDED)
async def test_nobody_comes_in_without_a_token_nor_with_one_of_another_scope(
    listener: httpx.AsyncClient, api: httpx.AsyncClient, stack: LocalStack, path: str, method: str
) -> None:
    body: dict[str, Any] = {} if method in {"GET", "HEAD"} else {"json": {}}
    others = [bearer(stack, 1, scope) for scope in ("", "service", "administrator Admin")]
    refused: list[tuple[dict[str, str], int]] = [({}, 401), ({"Authorization": "Bearer x.y.z"}, 401)]
    for headers, status in (*refused, *((other, 403) for other in others)):
        answer = await listener.request(method, path, headers=headers, **body)
        assert answer.status_code == status
        if method != "HEAD":
            is_problem(answer, status)
    public = await api.request(method, path, headers=bearer(stack, 1, "admin"), **body)
    assert public.status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("POST", FLAGS_PATH, {"GET", "HEAD", "PATCH"}), ("DELETE", FLAGS_PATH, {"GET", "HEAD", "PATCH"}),
     ("PATCH", CONFIG_PATH, {"GET", "HEAD", "PUT"}), ("GET", ROLLBACK, {"POST"}), ("PUT", HISTORY, {"GET", "HEAD"}),
     ("POST", "/debug/system/state", {"GET", "HEAD"})],
)  # fmt: skip
async def test_a_wrong_method_is_405_with_those_that_are_allowed(
    operator: Operator, method: str, path: str, allowed: set[str]
) -> None:
    answer = await operator.ask(method, path, {})
    is_problem(answer, 405)
    assert set(answer.headers["allow"].replace(" ", "").split(",")) == allowed


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "told"),
    [
        ("PATCH", FLAGS_PATH, {"enable_cashing": False}, 404, "enable_caching"),
        ("PATCH", FLAGS_PATH, {"enable_caching": False, "x": 1}, 404, "there is no flag x"),
        ("PATCH", FLAGS_PATH, {"enable_caching": 0}, 400, "true or false"),
        ("PATCH", FLAGS_PATH, {"enable_caching": None}, 400, "true or false"),
        ("PATCH", FLAGS_PATH, {}, 400, "at least one"),
        ("PATCH", FLAGS_PATH, [], 400, "JSON object"),
        ("PUT", CONFIG_PATH, {"weight_freshness": 1}, 400, "weight_affinity is missing"),
        ("PUT", CONFIG_PATH, {}, 400, "is missing"),
        ("POST", ROLLBACK, {"version": 10**15}, 404, "there is no version"),
        ("POST", ROLLBACK, {"version": -1}, 404, "there is no version"),
        ("POST", ROLLBACK, {"version": 10**30}, 404, "there is no version"),
        ("POST", ROLLBACK, {"version": "1"}, 400, "version"),
        ("POST", ROLLBACK, {"version": True}, 400, "version"),
        ("POST", ROLLBACK, {"version": 1.5}, 400, "version"),
        ("POST", ROLLBACK, {}, 400, "version"),
        ("POST", ROLLBACK, {"version": 1, "x": 1}, 400, "x"),
        ("GET", f"{HISTORY}?limit=0", None, 400, "1 to 500"),
        ("PATCH", f"{FLAGS_PATH}?because=x", {"enable_caching": False}, 400, "because is not a parameter"),
        ("PATCH", f"{FLAGS_PATH}?note={'x' * 201}", {"enable_caching": False}, 400, "at most 200"),
        ("GET", "/debug/user/0/feed/cache", None, 400, "id of a user"),
        ("GET", "/debug/user/x/feed/cache", None, 400, "id of a user"),
        ("GET", "/debug/user/..%2f..%2fetc/feed/cache", None, 404, ""),
        ("GET", f"/debug/post/{2**63}/metrics", None, 400, "id of a post"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_named_with_what_would_be_right_and_changes_nothing(
    operator: Operator, method: str, path: str, body: object, status: int, told: str
) -> None:
    before = (await operator.get(HISTORY))["version"]
    answer = await operator.ask(method, path, body, **({"If-Match": f'"{before}"'} if method == "PUT" else {}))
    is_problem(answer, status)
    assert told in answer.json()["detail"]
    assert (await operator.get(HISTORY))["version"] == before


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "1e400", "1e308", "-0.1", '"1"', "true", "null", "[]"]
)
async def test_a_weight_that_is_none_is_refused(operator: Operator, value: str) -> None:
    now = await operator.get(CONFIG_PATH)
    text = json.dumps(now["config"] | {"weight_freshness": "HERE"}).replace('"HERE"', value)
    headers = {"Content-Type": "application/json", "If-Match": f'"{now["version"]}"'}
    answer = await operator.http.put(CONFIG_PATH, content=text, headers=operator.headers | headers)
    is_problem(answer, 400)
    assert await operator.get(CONFIG_PATH) == now


async def test_weights_that_are_all_zero_and_bodies_that_are_no_json_are_refused(operator: Operator) -> None:
    now = await operator.get(CONFIG_PATH)
    zero = now["config"] | dict.fromkeys((name for name in CONFIG if name.startswith("weight_")), 0)
    match = {"If-Match": f'"{now["version"]}"'}
    is_problem(await operator.ask("PUT", CONFIG_PATH, zero, **match), 400)
    kinds = {"application/json": 400, "text/yaml": 415}
    for kind, status in kinds.items():
        for text in ("{", "[" * 30_000, '{"enable_caching": false, "enable_caching": true}', "a: &a [*a]"):
            headers = operator.headers | match | {"Content-Type": kind}
            is_problem(await operator.http.patch(FLAGS_PATH, content=text, headers=headers), status)
    is_problem(await operator.http.patch(FLAGS_PATH, content=" " * 70_000, headers=operator.headers | {
        "Content-Type": "application/json"}), 413)  # fmt: skip
    assert await operator.get(CONFIG_PATH) == now


async def test_of_two_writers_the_second_is_told_and_a_configuration_names_what_it_was_made_from(
    operator: Operator,
) -> None:
    now = await operator.get(CONFIG_PATH)
    etag = f'"{now["version"]}"'
    answers = await asyncio.gather(
        *(
            operator.ask("PUT", CONFIG_PATH, now["config"] | {"feed_ttl_s": 50 + n}, **{"If-Match": etag})
            for n in range(5)
        )
    )
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]
    for answer in answers:
        if answer.status_code == 412:
            is_problem(answer, 412)
            assert f"is {now['version'] + 1}" in answer.json()["detail"]
        else:
            assert answer.headers["etag"] == f'"{now["version"] + 1}"'
    is_problem(await operator.ask("PUT", CONFIG_PATH, now["config"]), 428)
    is_problem(await operator.ask("PATCH", FLAGS_PATH, {"enable_caching": False}, **{"If-Match": etag}), 412)
    is_problem(await operator.ask("PATCH", FLAGS_PATH, {"enable_caching": False}, **{"If-Match": 'W/"1"'}), 400)


async def test_every_change_is_told_with_who_when_and_what_and_can_be_taken_back(operator: Operator) -> None:
    await operator.back_to_settings()
    before = await operator.get(HISTORY)
    answer = await operator.ask("PATCH", f"{FLAGS_PATH}?note=an incident", {"enable_fallback": False})
    version = answer.json()["version"]
    await operator.config(weight_affinity=0.9)
    two = (await operator.get(HISTORY, limit=2))["versions"]
    assert [one["version"] for one in two] == [version + 1, version]
    assert two[1]["changes"] == {"enable_fallback": [True, False]}
    assert two[0]["changes"] == {"weight_affinity": [0.3, 0.9]}
    assert (two[1]["made_by"], two[1]["note"], two[1]["problem"]) == ("user 1", "an incident", None)
    assert (
        abs(time.time() - time.mktime(time.strptime(two[1]["made_at"][:19], "%Y-%m-%dT%H:%M:%S")) + time.timezone) < 60
    )
    back = await operator.ask("POST", ROLLBACK, {"version": version})
    assert (back.json()["version"], back.json()["config"]["weight_affinity"]) == (version + 2, 0.3)
    assert back.json()["flags"] == dict.fromkeys(FLAGS, True) | {"enable_fallback": False}
    assert before["version"] < version


async def test_a_change_is_in_every_answer_of_every_worker_within_a_second(operator: Operator) -> None:
    await operator.pages(VIEWER)
    for weight in (0.71, 0.72, 0.73):
        version = await operator.config(weight_freshness=weight)
        await asyncio.sleep(SOON_S)  # the promise itself
        pages = await operator.pages(VIEWER)
        told = {post["explanation"]["weights"]["freshness"] for page in pages for post in page.json()["posts"]}
        assert told == {weight}
        state = await operator.settled()
        held = {one["runtime_version"] for one in state["processes"] if one["process"] == "nova api"}
        assert held == {version}
        assert sum(one["process"] == "nova api" for one in state["processes"]) == 2


async def test_a_flag_changes_what_readers_get_and_their_cursors_go_on(operator: Operator, reader: ReaderOf) -> None:
    somebody = reader(2)
    first = await somebody.page(limit=5)
    await operator.flag(use_ch_ranking=False)

    async def is_timeline() -> bool:
        pages = [page.json() for page in await operator.pages(2)]
        return all((page["source"], page["fallback"]) == ("timeline", False) for page in pages)

    await eventually(is_timeline, SOON_S + 2)
    page = await somebody.page(limit=5)
    assert (page["reason"], page["cache_hit"], page["algo"]) == ("use_ch_ranking is off", False, "ch")
    assert (await somebody.page(limit=5, cursor=first["cursor"]))["source"] in {"ranked", "cached"}
    await operator.flag(use_ch_ranking=True, enable_caching=False)

    async def is_anew() -> bool:
        return not any(page.json()["cache_hit"] for page in await operator.pages(2))

    await eventually(is_anew, SOON_S + 2)


async def test_a_row_that_somebody_typed_wrong_is_refused_counted_and_shown_and_the_old_one_stays(
    operator: Operator, postgres: asyncpg.Connection
) -> None:
    held = await operator.config(weight_freshness=0.55)
    await operator.settled()
    refused = await _refused(operator)
    bad = await postgres.fetchval(
        "INSERT INTO nova_runtime (version, document, made_by) VALUES ($1, $2, 'a hand') RETURNING version",
        held + 1, json.dumps({"config": {"weight_freshness": -3, "weight_affinity": 1}}),
    )  # fmt: skip

    async def is_counted() -> bool:
        return await _refused(operator) >= refused + 4  # two API workers, the worker, its admin listener

    await eventually(is_counted, 5)
    pages = await operator.pages(VIEWER)
    assert {post["explanation"]["weights"]["freshness"] for page in pages for post in page.json()["posts"]} == {0.55}
    newest = (await operator.get(HISTORY, limit=1))["versions"][0]
    assert (newest["version"], newest["changes"]) == (bad, None)
    assert "weight_freshness is -3" in newest["problem"]

    async def is_told() -> bool:
        state = await operator.get("/debug/system/state")
        return not state["runtime_holds"] and all("is -3" in one["runtime_refused"] for one in state["processes"])

    await eventually(is_told, 5)


async def test_a_file_is_followed_and_a_bad_one_changes_nothing(operator: Operator, stack: LocalStack) -> None:
    path = stack.runtime_file

    async def weight() -> float:
        return float((await operator.get(CONFIG_PATH))["config"]["weight_freshness"])

    async def is_taken() -> bool:
        return await weight() == 0.66

    for text in ('{"config": {"weight_freshness": 0.66}}', '{"config": {"weight_freshness": 0.67}', "a: &a [*a]"):
        await asyncio.to_thread(path.write_text, text)
        await eventually(is_taken, 5)
    newest = (await operator.get(HISTORY, limit=1))["versions"][0]
    assert newest["made_by"] == "file"
    assert newest["note"].startswith("runtime.json ")


async def test_what_is_cached_for_a_user_is_shown_as_it_is_served(operator: Operator, reader: ReaderOf) -> None:
    somebody = reader(3)
    await somebody.page(limit=3)
    found = await operator.get("/debug/user/3/feed/cache")
    assert (found["user_id"], found["complete"]) == (3, True)
    assert (found["answers"], found["because"]) == (True, None)
    [answering] = [one for one in found["lists"] if one["list_id"] == found["first_list"]]
    assert answering["source"] == "ranked"
    assert 0 < answering["rows"] <= 500
    assert answering["top"][0].keys() == {"post_id", "author_id", "score"}
    assert 0 < answering["ttl_s"] <= 600
    assert 0 < found["first_ttl_s"] <= 120
    assert (await operator.get(f"/debug/user/{2**62}/feed/cache"))["lists"] == []


async def test_a_post_is_measured_in_both_stores(operator: Operator, reader: ReaderOf) -> None:
    post = (await reader(VIEWER).page(limit=1))["posts"][0]
    found = await operator.get(f"/debug/post/{post['post_id']}/metrics")
    assert found["away"] == {}
    assert found["places"]["posts"]["author_id"] == post["author_id"]
    ranked = found["places"].get("hot_posts") or found["places"]["author_posts"]
    assert ranked["author_id"] == post["author_id"]
    assert {"likes", "comments", "shares", "exposures"} <= ranked.keys()
    assert (await operator.get(f"/debug/post/{2**62}/metrics"))["places"] == {}


async def test_the_state_names_every_process_its_breakers_its_pools_and_the_lag(operator: Operator) -> None:
    state = await operator.settled()
    names = [one["process"] for one in state["processes"]]
    assert names == ["nova admin", "nova api", "nova api"]
    assert set(state["parts"]) == {"postgres", "clickhouse", "kafka", "valkey"}
    assert set(state["lag"]) == {"nova_cdc", "events_group", "recent_group", "nova_relations"}
    assert state["outbox_events"] is not None
    for one in state["processes"]:
        assert one["breakers"].keys() >= {"feed clickhouse", "feed valkey"}
        assert all(0 <= pool["idle"] <= pool["size"] <= pool["most"] for pool in one["pools"].values())


async def test_the_document_of_the_admin_listener_is_served_there(operator: Operator) -> None:
    document = await operator.get("/admin/openapi.json")
    assert {path.format(user_id=1, post_id=1) for path in document["paths"]} == {path for path, _ in GUARDED}


async def test_the_commands_do_the_same(stack: LocalStack, operator: Operator) -> None:
    def nova(*arguments: str) -> str:
        done = stack.nova("admin", *arguments)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert "enable_caching" in nova("flags")
    assert "off" in nova("flags", "enable_fallback", "off")
    nova("config", "set", "weight_freshness=0.4", "feed_ttl_s=60", "--note", "less load")
    told = nova("config", "get")
    assert "0.4" in told
    said = nova("history", "--limit", "1")
    assert "feed_ttl_s 120 -> 60" in said.replace("\n", " ") or "feed_ttl_s" in said
    version = (await operator.get(HISTORY))["version"]
    assert f"says what version {version - 1} said" in nova("rollback", str(version - 1))
    assert json.loads(nova("state"))["newest_runtime"] == version + 1
    for wrong in (("flags", "x", "on"), ("config", "set", "weight_freshness=-1"), ("rollback", "999999999")):
        done = stack.nova("admin", *wrong)
        assert done.returncode == 1
        assert done.stderr.startswith("nova: the admin listener refuses: ")
    token = stack.nova("token", "7", "--scope", "admin").stdout.strip()
    done = stack.nova("admin", "flags", "enable_caching", "off", NOVA_ADMIN_TOKEN=token)
    assert done.returncode == 0, done.stderr
    assert (await operator.get(HISTORY, limit=1))["versions"][0]["made_by"] == "user 7"


async def _refused(operator: Operator) -> float:
    """By all processes: those of the API and those of the worker answer for their own."""
    texts = [(await operator.http.get(url)).text for url in ("/metrics", f"{operator.api_url}/metrics")]
    lines = (
        line for text in texts for line in text.splitlines() if line.startswith("nova_feed_runtime_refused_total{")
    )
    return sum(float(line.rpartition(" ")[2]) for line in lines if 'source="table"' in line)
