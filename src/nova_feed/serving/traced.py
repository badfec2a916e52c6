"""A span around every request, while tracing is on. Plain ASGI, outside everything else."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nova_feed.ops import tracing
from nova_feed.serving.hot import PATH

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


class Traced:
    """Continues the caller's trace (``traceparent``), or begins one. Named by the route, never by what was asked."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not tracing.on():
            await self._app(scope, receive, send)
            return
        method, status = scope["method"] if scope["method"] in _METHODS else "_OTHER", 500
        parents = [value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"]
        # Two are none: W3C Trace Context has one.
        span = tracing.begin(method, "server", parents if len(parents) == 1 else (), http__request__method=method)

        async def send_seen(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            with tracing.within(span):
                await self._app(scope, receive, send_seen)
        finally:
            route = _route(scope)
            if route:
                span.set(f"{method} {route}", http__route=route)
            span.set(http__response__status_code=status)
            span.end(str(status) if status >= 500 else "")


def _route(scope: Scope) -> str:
    """The template of the path; empty where nothing was routed. (Pages from memory are not, and have one path.)"""
    path = str(scope["path"])
    if scope.get("endpoint") is None:
        return path if path == PATH else ""
    for name, value in scope.get("path_params", {}).items():
        path = path.replace(f"/{value}", f"/{{{name}}}", 1)
    return path
