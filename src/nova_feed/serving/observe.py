"""Around every request: an id, one log line, metrics, and an answer even to a bug. Plain ASGI."""

from __future__ import annotations

import secrets
from collections.abc import MutableMapping
from functools import cache
from typing import Any

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nova_feed.clock import Clock
from nova_feed.ops import metrics
from nova_feed.serving.headers import complete
from nova_feed.serving.problems import problem

log = structlog.get_logger(__name__)
_requests, _seconds = cache(metrics.API_REQUESTS.labels), cache(metrics.API_SECONDS.labels)
_QUIET = frozenset({"/health/live", "/health/ready", "/metrics"})


class Observe:
    """Outermost middleware. A request id sent by the caller is used when it is short and printable."""

    def __init__(self, app: ASGIApp, clock: Clock) -> None:
        self._app, self._clock = app, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["request_id"] = request_id = _request_id(scope)
        start, status = self._clock.monotonic(), 500
        metrics.API_ACTIVE.inc()

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = complete(message["headers"], scope, request_id)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, send_marked)
            except Exception:  # the edge of the process: a bug answers 500 and is logged whole
                log.exception("request.failed", path=scope["path"])
                if status == 500:
                    answer = problem(Request(scope), 500, "internal", "something went wrong here; it has been logged")
                    await answer(scope, receive, send_marked)
            finally:
                metrics.API_ACTIVE.dec()
                self._record(scope, status, self._clock.monotonic() - start)

    def _record(self, scope: Scope, status: int, seconds: float) -> None:
        route = _route(scope)
        _requests(route, scope["method"] if route != "(none)" else "", str(status)).inc()
        _seconds(route).observe(seconds)
        if scope["path"] not in _QUIET:
            log.info("request", path=scope["path"], status=status, ms=round(seconds * 1000, 1), **scope.get("told", {}))


def tell(scope: MutableMapping[str, Any], **facts: Any) -> None:
    """Add facts to the request's log line."""
    scope.setdefault("told", {}).update(facts)


def _route(scope: Scope) -> str:
    """The name of the endpoint: bounded, whatever paths are asked for."""
    return getattr(scope.get("endpoint"), "__name__", "(none)")


def _request_id(scope: Scope) -> str:
    for name, value in scope["headers"]:
        if name == b"x-request-id" and len(value) <= 64 and value.isascii() and value.decode("ascii").isprintable():
            return bytes(value).decode("ascii")
    return secrets.token_hex(8)
