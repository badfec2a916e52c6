"""Traces by OpenTelemetry, off unless ``start`` was called: till then its SDK is not imported, and a span is a look at
one variable.

A trace goes from the request over the stores to Kafka, with the events it brought, until ClickHouse has them. Names
and attributes are those of OpenTelemetry's semantic conventions for HTTP, databases and messaging. Nothing of a caller
is in them: no query string, no token, no id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from importlib.util import find_spec
from typing import Literal, Protocol

Kind = Literal["internal", "client", "server", "producer", "consumer"]
Value = str | int


class Open(Protocol):
    """A span that is not bound to a block of code."""

    traceparent: str | None
    """What goes along with a message, None when this trace is not sampled."""

    def set(self, name: str | None = None, /, **attributes: Value) -> None:
        """Name it anew, and add attributes."""

    def end(self, failed: str = "") -> None:
        """End it; ``failed``: the error's kind."""


class Tracer(Protocol):
    """What ``otel.OtelTracer`` does."""

    def span(self, name: str, kind: Kind, attributes: dict[str, Value]) -> AbstractContextManager[object]:
        """A child of the current span, current within the block; nothing where there is no current one."""

    def open(self, name: str, kind: Kind, parents: Iterable[str], attributes: dict[str, Value]) -> Open:
        """A span under the one parent, or of its own with links to all."""

    def within(self, span: Open) -> AbstractContextManager[object]:
        """Makes an open span the current one."""

    def traceparent(self) -> str | None:
        """The current span's, None when it is not sampled."""

    def stop(self) -> None:
        """Send what is left, for some seconds at most."""


class _Nothing:
    traceparent: str | None = None

    def set(self, name: str | None = None, /, **attributes: Value) -> None: ...

    def end(self, failed: str = "") -> None: ...


_OFF: AbstractContextManager[object] = nullcontext()
_NOTHING = _Nothing()
_tracer: Tracer | None = None


def available() -> bool:
    """Whether the extra ``otel`` is installed."""
    try:
        return all(find_spec(name) for name in ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"))
    except ModuleNotFoundError:  # of what they lie in
        return False


def start(endpoint: str, ratio: float, service: str) -> Callable[[], None]:
    """Send spans of this process to ``endpoint`` (OTLP over HTTP) from now on; returns what ends that.

    ``ratio`` of the traces that begin here are sampled; one that began at the caller is as the caller says. To be
    called after the process was forked: the exporter has a thread. Where traces are on already nothing is begun or
    ended.
    """
    global _tracer  # noqa: PLW0603  one process, one tracer: as OpenTelemetry itself has it
    if _tracer is not None:
        return lambda: None
    from nova_feed.ops.otel import OtelTracer

    tracer = _tracer = OtelTracer(endpoint, ratio, service)

    def stop() -> None:
        global _tracer  # noqa: PLW0603
        if _tracer is tracer:
            _tracer = None
        tracer.stop()

    return stop


def on() -> bool:
    """Whether spans are made."""
    return _tracer is not None


def span(name: str, kind: Kind = "internal", **attributes: Value) -> AbstractContextManager[object]:
    """A span around a block, under the current one; none where there is none. ``__`` in a keyword stands for a dot."""
    return _OFF if _tracer is None else _tracer.span(name, kind, _dotted(attributes))


def reading(name: str) -> AbstractContextManager[object]:
    """A span around queries of PostgreSQL."""
    return span(name, "client", db__system__name="postgresql", db__operation__name="SELECT")


def begin(name: str, kind: Kind, parents: Iterable[str] = (), **attributes: Value) -> Open:
    """A span that is ended by hand, from any thread.

    A child of the one parent (its ``traceparent``), of none when there is none, or linked to all of several.
    """
    return _NOTHING if _tracer is None else _tracer.open(name, kind, parents, _dotted(attributes))


def within(open_span: Open) -> AbstractContextManager[object]:
    """Makes it the current span of a block."""
    return _OFF if _tracer is None or isinstance(open_span, _Nothing) else _tracer.within(open_span)


def traceparent() -> str | None:
    """The W3C ``traceparent`` of the current span; None when there is none or it is not sampled."""
    return None if _tracer is None else _tracer.traceparent()


def _dotted(attributes: dict[str, Value]) -> dict[str, Value]:
    return {name.replace("__", "."): value for name, value in attributes.items()}
