"""``nova up --observe``: a real Prometheus reads the running stack, and every question we put to it has an answer.

Runs near the end: it stops the stack that others share, and starts it again with Prometheus and Alertmanager beside it.
"""

from __future__ import annotations

import json
import math
import os
import signal
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from deploy.grafana.panels import BOARDS

from nova_feed.local.observers import rules
from tests.reader import Reader
from tests.stack import LocalStack
from tests.tools import tool
from tests.waiting import eventually

pytestmark = pytest.mark.e2e
PANELS = {query.expr: panel.title for board in BOARDS.values() for panel in board.panels for query in panel.queries}
ALERTS: dict[str, str] = {
    rule["alert"]: rule["expr"]
    for path in rules().glob("*.yml") for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]
}  # fmt: skip


@pytest.fixture(scope="module")
def observed(stack: LocalStack) -> Iterator[LocalStack]:
    """The shared stack, started again with Prometheus and Alertmanager."""
    tool("prometheus")
    tool("prometheus-alertmanager", "alertmanager")
    stack.nova("down")
    stack.up("--observe")
    yield stack
    stack.nova("down")
    stack.up()


@pytest.fixture
async def prometheus(observed: LocalStack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=observed.facts["prometheus_url"], timeout=10) as client:
        yield client


async def ask(prometheus: httpx.AsyncClient, expr: str) -> list[float]:
    """The values of an instant query."""
    answer = await prometheus.get("/api/v1/query", params={"query": expr})
    body = answer.json()
    assert (answer.status_code, body["status"]) == (200, "success"), f"{expr}: {body}"
    return [float(series["value"][1]) for series in body["data"]["result"]]


async def traffic(stack: LocalStack) -> None:
    """Somebody reads two pages, looks around, and sends an event twice; over a connection of its own."""
    async with httpx.AsyncClient(base_url=stack.facts["api_url"], timeout=10) as client:
        user = uuid.uuid4().int % 200 + 1
        reader = Reader(client, user, stack.token(user))
        page = await reader.page(limit=5)
        if page["cursor"]:
            await reader.page(limit=5, cursor=page["cursor"])
        await reader.trending()
        await reader.suggested()
        event = {"event_id": uuid.uuid4().hex, "post_id": page["posts"][0]["post_id"], "action": "view"}
        await reader.send(event)
        await reader.send(event)


def test_without_the_programs_one_sentence_says_what_installs_them() -> None:
    elsewhere = LocalStack.in_new_home()
    try:
        done = elsewhere.nova("up", "--observe", PATH="/nonexistent")
        assert done.returncode == 1
        [line] = done.stderr.strip().splitlines()
        assert line.startswith("nova: --observe needs prometheus")
        assert "apt-get install" in line
    finally:
        elsewhere.remove()


def test_prometheus_and_alertmanager_are_parts_like_the_others(observed: LocalStack) -> None:
    told = json.loads(observed.nova("status", "--json").stdout)
    parts = {part["part"]: part for part in told["parts"]}
    for name in ("prometheus", "alertmanager"):
        assert parts[name]["state"] == "up"
        assert parts[name]["version"] == observed.facts["versions"][name]
        assert isinstance(observed.pid(name), int)
        assert (Path(observed.home) / "logs" / f"{name}.log").exists()


async def test_every_question_of_every_panel_has_an_answer(observed: LocalStack, prometheus: httpx.AsyncClient) -> None:
    open_questions = set(PANELS)

    async def answered() -> bool:
        await traffic(observed)
        for expr in list(open_questions):
            values = await ask(prometheus, expr.replace("$__rate_interval", "30s"))
            if any(math.isfinite(value) for value in values):
                open_questions.discard(expr)
        return not open_questions

    try:
        await eventually(answered, 90)
    finally:
        assert {PANELS[expr]: expr for expr in open_questions} == {}


async def test_every_alert_is_evaluated_without_error(prometheus: httpx.AsyncClient) -> None:
    async def evaluated() -> list[Any] | None:
        groups = (await prometheus.get("/api/v1/rules")).raise_for_status().json()["data"]["groups"]
        found = [rule for group in groups for rule in group["rules"]]
        return found if all(rule["health"] != "unknown" for rule in found) else None

    found = await eventually(evaluated, 30)
    assert {rule["name"]: rule["health"] for rule in found} == dict.fromkeys(ALERTS, "ok")
    for expr in ALERTS.values():
        await ask(prometheus, expr)


async def test_while_clickhouse_stands_the_breaker_opens_feeds_fall_back_and_the_alert_reaches_alertmanager(
    observed: LocalStack, prometheus: httpx.AsyncClient
) -> None:
    pid = observed.pid("clickhouse")
    assert isinstance(pid, int)
    fallbacks = 'sum(nova_feed_fallbacks_total{surface="feed",store="clickhouse"})'
    before = sum(await ask(prometheus, fallbacks))
    os.kill(pid, signal.SIGSTOP)
    try:

        async def told() -> bool:
            await one_feed(observed)
            async with httpx.AsyncClient(timeout=10) as client:
                alerts = (await client.get(f"{observed.facts['alertmanager_url']}/api/v2/alerts")).json()
            return any(alert["labels"]["alertname"] == "CircuitBreakerOpen" for alert in alerts)

        await eventually(told, 60)
        assert sum(await ask(prometheus, 'sum(nova_feed_breakers{state="open"})')) > 0

        async def fell_back() -> bool:
            return sum(await ask(prometheus, fallbacks)) > before

        await eventually(fell_back, 15)
    finally:
        os.kill(pid, signal.SIGCONT)

    async def over() -> bool:
        await one_feed(observed)
        return not sum(await ask(prometheus, 'sum(nova_feed_breakers{state!="closed"})'))

    await eventually(over, 90)


async def one_feed(stack: LocalStack) -> None:
    """A feed that no cache has, from any of the API's processes; whatever the answer."""
    user = 10**9 + uuid.uuid4().int % 10**9
    async with httpx.AsyncClient(base_url=stack.facts["api_url"], timeout=10) as client:
        await Reader(client, user, stack.token(user)).get(limit=1)
