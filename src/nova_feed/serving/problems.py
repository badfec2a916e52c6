"""Errors as RFC 9457 problem+json: one table, exception -> answer."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from nova_feed.errors import (
    CursorError,
    CursorExpiredError,
    ForbiddenError,
    InvalidInputError,
    RateLimitedError,
    StaleVersionError,
    StoreUnavailableError,
    UnauthorizedError,
)

log = structlog.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"
# exception -> status, type, headers. Whatever is not here is a bug: 500, with nothing of it shown.
TABLE: dict[type[Exception], tuple[int, str, dict[str, str]]] = {
    InvalidInputError: (400, "invalid-input", {}),
    CursorError: (400, "invalid-cursor", {}),
    CursorExpiredError: (410, "cursor-expired", {}),
    UnauthorizedError: (401, "unauthorized", {"WWW-Authenticate": 'Bearer realm="nova-feed"'}),
    ForbiddenError: (403, "forbidden", {}),
    StaleVersionError: (412, "stale-version", {}),
    RateLimitedError: (429, "rate-limited", {"Retry-After": "1"}),
    StoreUnavailableError: (503, "unavailable", {"Retry-After": "2"}),
}


def problem(
    request: Request, status: int, kind: str, detail: str, headers: dict[str, str] | None = None, **more: Any
) -> Response:
    """One answer in problem+json."""
    body = body_of(status, kind, detail, request.url.path, request.scope.get("request_id", ""), **more)
    return Response(body, status, headers, media_type=MEDIA_TYPE)


def body_of(status: int, kind: str, detail: str, path: str, request_id: str, **more: Any) -> bytes:
    """The JSON of an answer in problem+json."""
    named = {"type": f"urn:nova-feed:problem:{kind}", "title": HTTPStatus(status).phrase, "status": status,
             "detail": detail, "instance": path, "request_id": request_id}  # fmt: skip
    return msgspec.json.encode(named | more)


async def answer(request: Request, error: Exception) -> Response:
    """The exception handler of every exception in the table."""
    status, kind, headers = TABLE[type(error)]
    if isinstance(error, UnauthorizedError):  # which claim was wrong is for the log, not for whoever tries tokens
        log.info("auth.refused", reason=str(error))
        return problem(request, status, kind, "a valid bearer token is needed", headers)
    if isinstance(error, StoreUnavailableError):
        log.warning("request.unavailable", store=error.store, reason=error.reason)
        return problem(request, status, kind, f"{error.store} is away; try again shortly", headers)
    if isinstance(error, RateLimitedError):
        return problem(request, status, kind, str(error), {"Retry-After": str(error.retry_after_s)})
    more = {"errors": error.errors} if isinstance(error, InvalidInputError) and error.errors else {}
    return problem(request, status, kind, str(error), headers, **more)


async def http_error(request: Request, error: Exception) -> Response:
    """What the router refuses: 404, 405."""
    assert isinstance(error, HTTPException)
    kind = HTTPStatus(error.status_code).phrase.lower().replace(" ", "-")
    return problem(request, error.status_code, kind, error.detail, dict(error.headers or {}))
