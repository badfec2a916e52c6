"""Answers are JSON: whoever takes no JSON is told so before any work is done for them."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

_RANGES = ("application/json", "application/*", "*/*")  # those that JSON is in, the most specific first


class JsonOnly:
    """Around a route. Raises HTTPException 406 for a request whose Accept leaves out JSON."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not accepts_json(",".join(Headers(scope=scope).getlist("accept"))):
            raise HTTPException(406, "answers are application/json: let Accept have it, or leave Accept out")
        await self._app(scope, receive, send)


def accepts_json(accept: str) -> bool:
    """Whether an Accept header (RFC 9110, 12.5.1) has room for application/json. The most specific range decides."""
    if not accept.strip():
        return True
    qualities = dict(_range(part) for part in accept.split(","))
    return next((qualities[name] > 0 for name in _RANGES if name in qualities), False)


def _range(text: str) -> tuple[str, float]:
    """A media range and its quality; a quality that is no number is taken for 1."""
    name, *parameters = (part.strip().lower() for part in text.split(";"))
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip() == "q":
            try:
                return name, float(value)
            except ValueError:
                return name, 1.0
    return name, 1.0
