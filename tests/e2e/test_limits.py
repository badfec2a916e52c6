"""Rate limits, over HTTP: processes keep one limit together, and whoever is refused is told when to come again."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter

import asyncpg
import httpx
import pytest

from nova_feed.ingest.validate import named_key
from nova_feed.local.ports import free_port
from tests.e2e.test_bad_input import is_problem
from tests.own_api import own_api
from tests.reader import EVENTS, FEED
from tests.stack import LocalStack, bearer

pytestmark = pytest.mark.e2e
READS, CHUNK = 600, 6
STORED = "SELECT count(*) FROM nova_events_seen WHERE key = ANY($1::uuid[]) AND seq > 0"  # 0: a guard, no event


async def _reads(url: str, headers: dict[str, str], number: int) -> tuple[Counter[int], float]:
    """So many reads over 16 connections, as fast as they are answered: statuses, and the seconds it took."""
    statuses: Counter[int] = Counter()
    left = iter(range(number))

    async def ask() -> None:
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=20) as http:
            for _ in left:
                statuses[(await http.get(FEED, params={"limit": 1})).status_code] += 1

    start = time.monotonic()
    await asyncio.gather(*(ask() for _ in range(16)))
    return statuses, time.monotonic() - start


@pytest.mark.parametrize("workers", [2, 4])
async def test_processes_together_allow_the_quota_what_is_earned_and_at_most_two_chunks_each_more(
    stack: LocalStack, workers: int
) -> None:
    with own_api(stack, WORKER_CONCURRENCY=str(workers), NOVA_LIMIT_READS=str(READS)) as url:
        user = 150 + workers
        statuses, seconds = await _reads(url, bearer(stack, user), 1_500)
    earned = seconds * READS / 60
    over = statuses[200] - READS - earned
    print(f"{workers} processes: {statuses[200]} of 1500 in {seconds:.1f} s, {earned:.0f} earned, {over:+.0f} beyond")
    assert set(statuses) == {200, 429}
    assert -READS / 5 <= over <= workers * 2 * CHUNK + 1


async def test_without_valkey_each_process_keeps_the_limit_by_itself_and_nothing_fails(stack: LocalStack) -> None:
    nowhere = f"redis://127.0.0.1:{free_port()}/0"
    with own_api(stack, WORKER_CONCURRENCY="2", NOVA_LIMIT_READS="200", REDIS_URL=nowhere) as url:
        statuses, seconds = await _reads(url, bearer(stack, 160), 800)
    assert set(statuses) == {200, 429}
    assert 200 <= statuses[200] <= 2 * (200 + seconds * 200 / 60) + 1


async def test_a_refused_batch_stores_nothing_and_says_when_it_would_be_taken(
    stack: LocalStack, postgres: asyncpg.Connection
) -> None:
    post = await postgres.fetchval("SELECT max(id) FROM posts")
    run = uuid.uuid4().hex

    def batch(number: int) -> dict[str, object]:
        items = [{"event_id": f"{run}-{number}-{i}", "post_id": post, "action": "view"} for i in range(100)]
        return {"events": items}

    def keys(number: int) -> list[uuid.UUID]:
        return [named_key(161, f"{run}-{number}-{i}") for i in range(100)]

    with own_api(stack, WORKER_CONCURRENCY="1", NOVA_LIMIT_EVENTS="250") as url:
        async with httpx.AsyncClient(base_url=url, headers=bearer(stack, 161), timeout=20) as http:
            answers = [await http.post(EVENTS, json=batch(number)) for number in range(3)]
            one = await http.post(EVENTS, json={"events": [{"post_id": post, "action": "view"}]})
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert answers[0].headers["ratelimit-policy"] == '"events";q=250;w=60'
    assert answers[0].headers["ratelimit"] == '"events";r=150;t=24'
    is_problem(answers[2], 429)
    assert answers[2].json()["type"].endswith(":rate-limited")
    assert 5 <= int(answers[2].headers["retry-after"]) <= 12
    assert [await postgres.fetchval(STORED, keys(number)) for number in range(3)] == [100, 100, 0]
    assert one.status_code == 202, "the events of a refused batch are not spent"


async def test_an_address_that_goes_on_without_a_valid_token_is_refused_and_users_at_it_are_not(
    stack: LocalStack,
) -> None:
    with own_api(stack, WORKER_CONCURRENCY="1", NOVA_LIMIT_ANONYMOUS="20") as url:
        here = httpx.AsyncHTTPTransport(local_address="127.0.0.77")  # an address about which nobody knows anything yet
        async with httpx.AsyncClient(base_url=url, timeout=20, transport=here) as http:
            tried = [await http.get(FEED, headers={"Authorization": f"Bearer guess-{i}"}) for i in range(25)]
            user = await http.get(FEED, headers=bearer(stack, 162))
            open_to_all = await http.get("/health")
            paths = ["/health/live", "/health/ready"] * 30
            probes = [(await http.get(path)).status_code for path in paths]
    assert [answer.status_code for answer in tried] == [401] * 20 + [429] * 5
    is_problem(tried[-1], 429)
    assert tried[-1].headers["ratelimit-policy"] == '"anonymous";q=20;w=60'
    assert (user.status_code, open_to_all.status_code) == (200, 429)
    assert set(probes) == {200}, "who watches a process is never turned away"


async def test_what_is_no_batch_costs_one_event_and_a_service_has_a_limit_of_its_own(stack: LocalStack) -> None:
    with own_api(stack, WORKER_CONCURRENCY="1", NOVA_LIMIT_EVENTS="100", NOVA_LIMIT_SERVICE_EVENTS="1000") as url:
        async with httpx.AsyncClient(base_url=url, timeout=20) as http:

            async def nonsense(**headers: str) -> httpx.Response:
                return await http.post(EVENTS, content=b"{", headers={"Content-Type": "application/json", **headers})

            answers = [await nonsense(**bearer(stack, 163)) for _ in range(130)]
            service = await nonsense(**bearer(stack, 163, "service"))
    assert [answer.status_code for answer in answers[:100]] == [400] * 100
    assert answers[0].headers["ratelimit"].startswith('"events";r=99;')
    is_problem(next(answer for answer in answers if answer.status_code != 400), 429)
    is_problem(service, 400)
    assert service.headers["ratelimit-policy"] == '"service-events";q=1000;w=60'
