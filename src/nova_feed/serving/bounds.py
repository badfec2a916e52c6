"""What a request may say before its body: longer targets and headers are refused, not carried along."""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from nova_feed.serving.problems import problem

LONGEST_TARGET = 8 * 1024
LARGEST_HEADERS = 32 * 1024  # names and values of all of them; the HTTP server itself takes 100 lines and 128 KiB


class Bounds:
    """Middleware: 414 for a target (path and query), 431 for headers that are too long, in bytes; 404 for control
    characters in a path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            if len(scope.get("raw_path") or scope["path"]) + len(scope["query_string"]) > LONGEST_TARGET:
                answer = problem(
                    Request(scope), 414, "uri-too-long", f"at most {LONGEST_TARGET} bytes of path and query"
                )
                await answer(scope, receive, send)
                return
            if sum(len(name) + len(value) for name, value in scope["headers"]) > LARGEST_HEADERS:
                answer = problem(
                    Request(scope), 431, "headers-too-large", f"at most {LARGEST_HEADERS} bytes of headers"
                )
                await answer(scope, receive, send)
                return
            if not scope["path"].isprintable():  # the router's patterns end at "$", which a line's end may follow
                answer = problem(Request(scope), 404, "not-found", "no path has such characters: see /openapi.json")
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)
