"""Spans as a collector gets them: parents, links and sampling."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator, Sequence

import pytest

from nova_feed.feed.coalesce import Coalescer
from nova_feed.ops import tracing
from tests.collector import Collector

pytestmark = pytest.mark.integration
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
TRACE, PARENT = CALLER.split("-")[1:3]


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def test_a_span_is_the_child_of_the_one_it_lies_in_and_an_open_one_of_the_parent_it_is_given(
    collector: Collector,
) -> None:
    stop = tracing.start(collector.url, 1.0, "test")
    server = tracing.begin("server", "server", [CALLER])
    with tracing.within(server), tracing.span("inner", "client", db__system__name="postgresql"):
        told = tracing.traceparent()
    server.set("GET /x", http__route="/x")
    server.end("500")
    assert told is not None
    tracing.begin("send", "producer", [told]).end()
    with tracing.span("nobody's"):
        assert tracing.traceparent() is None
    stop()
    found = collector.of(TRACE)
    assert set(found) == {"GET /x", "inner", "send"}
    assert len(collector.spans) == 3, "a span of no request is none"
    assert found["GET /x"].parent_id == PARENT
    assert found["inner"].parent_id == found["GET /x"].span_id
    assert found["inner"].attributes == {"db.system.name": "postgresql"}
    assert found["send"].parent_id == found["inner"].span_id
    assert (found["GET /x"].failed, found["inner"].failed) == (True, False)
    assert found["GET /x"].attributes == {"http.route": "/x", "error.type": "500"}


def test_an_exception_is_told_by_its_kind_alone(collector: Collector) -> None:
    stop = tracing.start(collector.url, 1.0, "test")
    with pytest.raises(ValueError, match="a secret"), tracing.within(tracing.begin("s", "server", [CALLER])):  # noqa: SIM117
        with tracing.span("inner"):
            raise ValueError("a secret")
    stop()
    [span] = collector.spans
    assert (span.failed, span.attributes) == (True, {"error.type": "ValueError"})


@pytest.mark.parametrize("ratio", [0.0, 1.0])
def test_the_ratio_holds_for_traces_that_begin_here_and_the_callers_word_for_others(
    collector: Collector, ratio: float
) -> None:
    stop = tracing.start(collector.url, ratio, "test")
    assert (tracing.begin("ours", "server").traceparent is None) == (ratio == 0)
    assert tracing.begin("theirs", "server", [CALLER]).traceparent is not None
    assert tracing.begin("not theirs", "server", [CALLER[:-2] + "00"]).traceparent is None
    assert (tracing.begin("nonsense", "server", ["00-zz"]).traceparent is None) == (ratio == 0)
    stop()


def test_a_span_of_several_parents_is_linked_to_all(collector: Collector) -> None:
    stop = tracing.start(collector.url, 1.0, "test")
    other = CALLER.replace(PARENT, "00f067aa0ba902b7")
    tracing.begin("process", "consumer", [CALLER, other, CALLER]).end()
    stop()
    [span] = collector.spans
    assert (span.parent_id, span.links) == ("", (PARENT, "00f067aa0ba902b7"))
    assert span.trace_id != TRACE


def test_a_collector_that_hangs_holds_up_the_end_for_some_seconds_at_most() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        stop = tracing.start(f"http://127.0.0.1:{silent.getsockname()[1]}", 1.0, "test")
        for _ in range(2_000):
            tracing.begin("waits", "server").end()
        began = time.monotonic()
        stop()
        assert time.monotonic() - began < 6


async def test_a_batch_belongs_to_the_trace_of_its_own_first_caller(collector: Collector) -> None:
    """Not to that of the batch before, after which it begins."""
    stop = tracing.start(collector.url, 1.0, "test")
    open_ = asyncio.Event()

    async def load(asked: Sequence[str]) -> dict[str, str]:
        with tracing.span(f"load {asked[0]}"):
            await open_.wait()
        return {one: one for one in asked}

    coalescer = Coalescer[str, str](load, at_once=1)

    async def ask(name: str) -> None:
        span = tracing.begin(name, "server")
        with tracing.within(span):
            await coalescer.get(name)
        span.end()

    asking = []
    for name in ("first", "second"):
        asking.append(asyncio.create_task(ask(name)))
        for _ in range(5):  # turns of the loop: the first batch has begun when the second one asks
            await asyncio.sleep(0)
    open_.set()
    await asyncio.gather(*asking)
    await asyncio.to_thread(stop)
    found = {span.name: span for span in collector.spans}
    for name in ("first", "second"):
        assert found[f"load {name}"].parent_id == found[name].span_id
