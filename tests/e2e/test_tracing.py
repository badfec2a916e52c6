"""One trace from a request over PostgreSQL and Kafka until ClickHouse has what it brought; and without a collector."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import Iterator

import asyncpg
import httpx
import pytest

from nova_feed.clock import SystemClock
from nova_feed.ingest.publish import Publisher
from nova_feed.local.ports import free_port
from nova_feed.ops import tracing
from nova_feed.store.client import Store
from nova_feed.stream.consumer import GroupConsumer
from nova_feed.stream.producer import EventProducer
from nova_feed.topics import EVENTS
from nova_feed.workers.traces import Traces
from tests.collector import Collector, Span
from tests.own_api import own_api
from tests.reader import FEED, SUGGESTED
from tests.stack import LocalStack
from tests.waiting import eventually

pytestmark = pytest.mark.e2e
SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5
URL = "/api/v1/events"


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def caller() -> tuple[str, str, dict[str, str]]:
    """A trace id, the caller's span id, and the header."""
    trace_id, span_id = uuid.uuid4().hex, uuid.uuid4().hex[:16]
    return trace_id, span_id, {"traceparent": f"00-{trace_id}-{span_id}-01"}


async def test_a_trace_goes_from_the_request_over_postgresql_and_kafka_until_clickhouse_has_the_event(
    stack: LocalStack, clickhouse: Store, postgres: asyncpg.Connection, collector: Collector
) -> None:
    post = await postgres.fetchval("INSERT INTO posts (author_id, body) VALUES (2, 'traced') RETURNING id")
    trace_id, span_id, header = caller()
    token = stack.token(1)
    consumer = GroupConsumer(stack.facts["kafka_brokers"], f"traces-{uuid.uuid4().hex}", [EVENTS.name], from_start=True)
    stop = tracing.start(collector.url, 0.0, "the worker's part")
    reading = asyncio.create_task(consumer.run(Traces(clickhouse, SystemClock()).handle))
    try:
        with own_api(stack, NOVA_OTEL_ENDPOINT=collector.url, NOVA_OTEL_RATIO="0", WORKER_CONCURRENCY="1") as url:
            async with httpx.AsyncClient(base_url=url, timeout=10) as api:
                body = {"events": [{"event_id": str(uuid.uuid4()), "post_id": post, "action": "view"}]}
                headers = {"Authorization": f"Bearer {token}"}
                sent = await api.post(URL, json=body, headers=headers | header)
                assert sent.status_code == 202, sent.text
                assert sent.json()["accepted"] == 1
                await api.post(URL, json=body, headers=headers)
            await eventually(lambda: asyncio.sleep(0, f"process {EVENTS.name}" in collector.of(trace_id)), 40)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        await asyncio.to_thread(stop)
    found = collector.of(trace_id)
    server, accept = found[f"POST {URL}"], found["accept"]
    send, process = found[f"send {EVENTS.name}"], found[f"process {EVENTS.name}"]
    assert [span.kind for span in (server, accept, send, process)] == [SERVER, CLIENT, PRODUCER, CONSUMER]
    assert server.parent_id == span_id
    assert accept.parent_id == send.parent_id == server.span_id
    assert process.parent_id == send.span_id
    assert server.attributes == {
        "http.request.method": "POST", "http.route": URL, "http.response.status_code": "202",
    }  # fmt: skip
    assert accept.attributes["db.system.name"] == "postgresql"
    assert send.attributes["messaging.destination.name"] == EVENTS.name
    assert not any(span.failed for span in found.values())
    assert {span.trace_id for span in collector.spans} == {trace_id}, "what nobody sampled was sent"
    assert token not in json.dumps([span.attributes for span in collector.spans])
    told = await postgres.fetch("SELECT trace FROM nova_events_outbox WHERE trace IS NOT NULL")
    assert {row["trace"].split("-")[1] for row in told} <= {trace_id}


async def test_the_relay_sends_what_a_crash_left_within_the_trace_of_its_request(
    stack: LocalStack, postgres: asyncpg.Connection, collector: Collector
) -> None:
    trace_id, span_id, header = caller()
    base = await postgres.fetchval("SELECT nextval('nova_event_base')")
    # As a killed process leaves it: accepted, never sent. ClickHouse sorts out the line, which is no event.
    await postgres.execute(
        "INSERT INTO nova_events_outbox (base, accepted_ms, positions, body, trace) VALUES ($1, 0, '{0}', $2, $3)",
        base, b'1\t{"none":1}', header["traceparent"],
    )  # fmt: skip
    stop = tracing.start(collector.url, 0.0, "the worker's part")
    producer = EventProducer(stack.facts["kafka_brokers"])
    try:
        async with asyncpg.create_pool(stack.facts["postgres_url"], min_size=0, max_size=2) as pool:
            relay = asyncio.create_task(Publisher(pool, producer).relay(every_s=0.1))
            await eventually(lambda: asyncio.sleep(0, bool(collector.of(trace_id))), 20)
            relay.cancel()
    finally:
        producer.close()
        await asyncio.to_thread(stop)
        await postgres.execute("DELETE FROM nova_events_outbox WHERE base = $1", base)
    span = collector.of(trace_id)[f"send {EVENTS.name}"]
    assert (span.parent_id, span.failed) == (span_id, False)


async def test_a_page_is_traced_with_what_it_asked_and_by_its_route(stack: LocalStack, collector: Collector) -> None:
    paths = (f"{FEED}?limit=7", "/api/v1/nothing?secret=42", FEED, f"{FEED}?algo=timeline", SUGGESTED)
    asked = {path: caller() for path in paths}
    odd = [caller(), caller()]
    with own_api(
        stack, NOVA_OTEL_ENDPOINT=collector.url, NOVA_OTEL_RATIO="0", WORKER_CONCURRENCY="1",
        NOVA_CORS_ORIGINS="https://app.example",
    ) as url:  # fmt: skip
        async with httpx.AsyncClient(base_url=url, timeout=10) as api:
            for path, (_, _, header) in asked.items():
                await api.get(path, headers=header | {"Authorization": f"Bearer {stack.token(3)}"})
            await api.request("SECRET42", "/x", headers=odd[0][2])
            asks = {"Origin": "https://app.example", "Access-Control-Request-Method": "GET"}
            assert (await api.options("/any/user/42", headers=odd[1][2] | asks)).status_code == 200
        # Ended, an API process sends what it still has.
    [ranked, absent, again, timeline, suggested] = [collector.of(trace_id) for trace_id, _, _ in asked.values()]
    strange, preflight = (collector.of(trace_id) for trace_id, _, _ in odd)
    server = ranked[f"GET {FEED}"]
    assert server.attributes["http.response.status_code"] == "200"
    assert {"pairs", "rules"} <= set(ranked)
    assert _ancestors(ranked["rules"], ranked)[-1] == server
    assert absent["GET"].attributes == {"http.request.method": "GET", "http.response.status_code": "404"}
    assert f"GET {FEED}" in again
    assert "timeline" in timeline
    assert suggested["people"].attributes["db.system.name"] == "postgresql"
    assert set(strange) == {"_OTHER"}
    assert set(preflight) == {"OPTIONS"}
    assert "42" not in json.dumps([[span.name, span.attributes] for span in collector.spans])


async def test_without_a_collector_every_request_is_answered_as_ever(stack: LocalStack) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    with own_api(stack, NOVA_OTEL_ENDPOINT=away, NOVA_OTEL_RATIO="1") as url:
        async with httpx.AsyncClient(base_url=url, timeout=10) as api:
            headers = {"Authorization": f"Bearer {stack.token(3)}"}
            start = time.monotonic()
            statuses = {(await api.get(FEED, headers=headers)).status_code for _ in range(200)}
            assert statuses == {200}
            assert time.monotonic() - start < 20, "requests wait for the collector"


def _ancestors(span: Span, among: dict[str, Span]) -> list[Span]:
    by_id = {one.span_id: one for one in among.values()}
    line = []
    while span.parent_id in by_id:
        span = by_id[span.parent_id]
        line.append(span)
    return line
