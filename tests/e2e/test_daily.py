"""A day's metrics, from the events that people send to the figures that are read."""

from __future__ import annotations

import csv
import io
import socket
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller

from nova_feed.store.client import Store
from tests.app import App
from tests.integration.test_mail import Mailbox
from tests.reader import ReaderOf
from tests.stack import LocalStack, bearer
from tests.waiting import eventually

pytestmark = pytest.mark.e2e
PATH = "/api/v1/feed/metrics"


@pytest.fixture
async def today(clickhouse: Store) -> str:
    return str((await clickhouse.sql("SELECT toString(toDate(now('UTC'))) AS day"))["day"][0])


def counted(stack: LocalStack, day: str) -> dict[str, str]:
    """The day as ``nova daily`` counts it now."""
    done = stack.nova("daily", "--date", day, "--csv")
    assert done.returncode == 0, done.stderr
    [row] = csv.DictReader(io.StringIO(done.stdout))
    return row


async def test_what_people_do_is_counted_once_and_comes_out_the_same_when_it_is_counted_again(
    stack: LocalStack, app: App, reader: ReaderOf, clickhouse: Store, today: str
) -> None:
    assert stack.nova("events", "verify", "--wait").returncode == 0  # what other tests sent is stored by now
    before = counted(stack, today)
    friend, stranger, viewer = await app.person(), await app.person(), await app.person()
    await app.follow(viewer, friend)
    known, new = await app.post(friend), await app.post(stranger)

    async def followed() -> bool:
        sql = "SELECT count() AS n FROM follows FINAL WHERE follower_id = {viewer:Int64}"
        return bool((await clickhouse.sql(sql, viewer=viewer))["n"][0])

    await eventually(followed, 20)
    items: list[dict[str, Any]] = [
        {"post_id": post, "action": action, **({"dwell_ms": 2000} if action == "dwell" else {})}
        for post, action in (
            (known, "impression"),
            (known, "click"),
            (known, "dwell"),
            (new, "impression"),
            (new, "share"),
        )
    ]
    items = [item | {"event_id": uuid.uuid4().hex} for item in items]
    for _ in range(2):
        assert (await reader(viewer).send(*items)).status_code == 202

    async def stored() -> bool:
        sql = "SELECT uniqExact(seq) AS n FROM events WHERE user_id = {viewer:Int64}"
        return bool((await clickhouse.sql(sql, viewer=viewer))["n"][0] == 5)

    await eventually(stored, 20)
    after, again = counted(stack, today), counted(stack, today)
    more = {name: int(after[name]) - int(before[name]) for name in (
        "events", "distinct_events", "viewers", "impressions", "clicks", "engagements", "recommended_impressions",
        "recommended_clicks", "dwells")}  # fmt: skip
    assert more == {
        "events": 5, "distinct_events": 5, "viewers": 1, "impressions": 2, "clicks": 1, "engagements": 1,
        "recommended_impressions": 1, "recommended_clicks": 0, "dwells": 1,
    }  # fmt: skip
    assert (after["dedup_rate"], int(after["canary_minutes"]) > 0) == ("1.0", True)
    moving = {"canary_minutes", "canary_share", "health"}
    assert {k: v for k, v in again.items() if k not in moving} == {k: v for k, v in after.items() if k not in moving}


async def test_the_api_tells_whoever_is_signed_in_and_nobody_else(
    stack: LocalStack, api: httpx.AsyncClient, today: str
) -> None:
    kept = counted(stack, today)
    answer = await api.get(PATH, params={"date": today}, headers=bearer(stack, 1))
    body = answer.json()
    assert (answer.status_code, body["date"], body["complete"], body["source"]) == (200, today, False, "cached")
    assert {name: str(body[name]) for name in ("events", "impressions", "clicks")} == {
        name: kept[name] for name in ("events", "impressions", "clicks")
    }
    assert body["active_viewers"] == int(kept["viewers"]) > 0
    assert (await api.get(PATH, headers=bearer(stack, 1))).json()["date"] == today
    assert (await api.get(PATH)).status_code == 401
    assert (await api.get(PATH, params={"date": "soon"}, headers=bearer(stack, 1))).status_code == 400


async def test_the_job_keeps_the_last_day_that_is_over(clickhouse: Store) -> None:
    async def kept() -> bool:
        sql = "SELECT count() AS n FROM daily_metrics WHERE day = toDate(now('UTC') - INTERVAL 1 HOUR) - 1"
        return bool((await clickhouse.sql(sql))["n"][0])

    await eventually(kept, 75)


@pytest.fixture
def post_office() -> Iterator[tuple[Mailbox, int]]:
    mailbox = Mailbox()
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    yield mailbox, port
    controller.stop()


def test_the_report_of_a_day_is_mailed_to_the_team(
    stack: LocalStack, post_office: tuple[Mailbox, int], today: str
) -> None:
    mailbox, port = post_office
    done = stack.nova(
        "daily", "--date", today, "--send", NOVA_SMTP_URL=f"smtp://127.0.0.1:{port}",
        NOVA_REPORT_FROM="nova@example.com", NOVA_REPORT_TO="team@example.com, boss@example.com",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert mailbox.taken[0].rcpt_tos == ["team@example.com", "boss@example.com"]
    [file] = mailbox.message().iter_attachments()
    [row] = csv.DictReader(io.StringIO(file.get_content()))
    assert (row["day"], file.get_filename()) == (today, f"nova-{today}.csv")


def test_a_report_for_nobody_is_refused_in_one_sentence(stack: LocalStack) -> None:
    done = stack.nova("daily", "--send")
    assert (done.returncode, done.stderr.strip()) == (
        1,
        "nova: --send needs NOVA_SMTP_URL, NOVA_REPORT_FROM and NOVA_REPORT_TO",
    )
