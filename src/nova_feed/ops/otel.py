"""The only module that knows OpenTelemetry's SDK; imported once tracing is switched on."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from nova_feed.ops.tracing import Kind, Open, Value

_KINDS = {
    "internal": trace.SpanKind.INTERNAL, "client": trace.SpanKind.CLIENT, "server": trace.SpanKind.SERVER,
    "producer": trace.SpanKind.PRODUCER, "consumer": trace.SpanKind.CONSUMER,
}  # fmt: skip
_PROPAGATOR = TraceContextTextMapPropagator()
MOST_WAITING = 2_048  # spans; past it the collector is too slow or away, and the newest are dropped
TIMEOUT_S = 3
LINKS = 64  # of a batch of messages


class OtelTracer:
    """Spans of one process, sent in batches by a thread of their own: no request waits for the collector."""

    def __init__(self, endpoint: str, ratio: float, service: str) -> None:
        self._provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(ratio)),
            resource=Resource.create({"service.name": "nova-feed", "service.instance.id": service}),
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=TIMEOUT_S)
        self._provider.add_span_processor(
            BatchSpanProcessor(exporter, max_queue_size=MOST_WAITING, schedule_delay_millis=1_000)
        )
        self._tracer = self._provider.get_tracer("nova_feed")

    def span(self, name: str, kind: Kind, attributes: dict[str, Value]) -> AbstractContextManager[object]:
        """A child of the current span. An exception is recorded by its kind alone: its text may tell too much."""
        if not trace.get_current_span().is_recording():
            return nullcontext()
        return _Block(self._tracer, name, kind, attributes)

    def open(self, name: str, kind: Kind, parents: Iterable[str], attributes: dict[str, Value]) -> Open:
        """A span under the one parent, or of its own with links to all."""
        contexts = [_PROPAGATOR.extract({"traceparent": parent}) for parent in dict.fromkeys(parents)][:LINKS]
        links = [trace.Link(trace.get_current_span(context).get_span_context()) for context in contexts]
        only = contexts[0] if len(contexts) == 1 else trace.set_span_in_context(trace.INVALID_SPAN)
        return _Open(self._tracer.start_span(
            name, context=only, kind=_KINDS[kind], attributes=attributes, links=links if len(links) > 1 else None
        ))  # fmt: skip

    def within(self, span: Open) -> AbstractContextManager[object]:
        """Makes an open span the current one."""
        assert isinstance(span, _Open)
        return trace.use_span(span.span, end_on_exit=False, record_exception=False, set_status_on_exception=False)

    def traceparent(self) -> str | None:
        """The current span's, None when it is not sampled."""
        return _traceparent(trace.get_current_span())

    def stop(self) -> None:
        """Send what is left, for some seconds at most."""
        # Neither shutdown nor force_flush is bounded by the exporter's timeout when many batches wait.
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(TIMEOUT_S)


class _Open:
    def __init__(self, span: Span) -> None:
        self.span, self.traceparent = span, _traceparent(span)

    def set(self, name: str | None = None, /, **attributes: Value) -> None:
        if name is not None:
            self.span.update_name(name)
        for key, value in attributes.items():
            self.span.set_attribute(key.replace("__", "."), value)

    def end(self, failed: str = "") -> None:
        if failed:
            self.span.set_attribute("error.type", failed)
            self.span.set_status(Status(StatusCode.ERROR))
        self.span.end()


class _Block:
    """``with`` a span. (The SDK's own way records an exception's text and stack.)"""

    def __init__(self, tracer: trace.Tracer, name: str, kind: Kind, attributes: dict[str, Value]) -> None:
        self._span = _Open(tracer.start_span(name, kind=_KINDS[kind], attributes=attributes))
        self._use = trace.use_span(
            self._span.span, end_on_exit=False, record_exception=False, set_status_on_exception=False
        )

    def __enter__(self) -> object:
        self._use.__enter__()
        return self._span

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, stack: Any) -> None:
        self._use.__exit__(kind, error, stack)
        self._span.end("" if kind is None else kind.__name__)


def _traceparent(span: Span) -> str | None:
    context = span.get_span_context()
    if not (context.is_valid and context.trace_flags.sampled):
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"
