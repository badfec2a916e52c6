"""/admin: flags, configuration, their history and the way back. On the admin listener, for its scope alone."""

from __future__ import annotations

import functools
import re
from collections.abc import Awaitable, Callable, Mapping

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from nova_feed.clock import rfc3339
from nova_feed.errors import InvalidInputError
from nova_feed.runtime.change import Changes
from nova_feed.runtime.table import Row
from nova_feed.runtime.values import FLAGS, LARGEST_BYTES, Runtime, differences, load, read
from nova_feed.serving.admin_schemas import (
    ConfigResponse,
    FlagsResponse,
    HistoryResponse,
    RollbackRequest,
    RuntimeResponse,
    RuntimeVersion,
)
from nova_feed.serving.body import read_body
from nova_feed.serving.observe import tell
from nova_feed.serving.query import history_limit, only_note
from nova_feed.serving.state import admin_of, principal_of

SCOPE = "admin"
_VERSION = re.compile(r'"(0|[1-9][0-9]{0,17})"')
Endpoint = Callable[[Request], Awaitable[Response]]


def admin_only(path: str, endpoint: Endpoint, *methods: str) -> Route:
    """A route that nobody reaches without the scope ``admin``: 401 without a token, 403 without the scope."""

    @functools.wraps(endpoint)
    async def guarded(request: Request) -> Response:
        principal = await principal_of(request)
        principal.require(SCOPE)
        request.state.user_id = principal.user_id
        tell(request.scope, user_id=principal.user_id)
        return await endpoint(request)

    return Route(path, guarded, methods=list(methods))


async def flags(request: Request) -> Response:
    """GET: every flag. PATCH: set some."""
    changes = admin_of(request).changes
    if request.method != "PATCH":
        now = await changes.newest()
    else:
        wanted = await _object(request)
        unknown = [name for name in wanted if name not in FLAGS]
        if unknown:
            raise HTTPException(404, f"there is no flag {unknown[0][:40]}; there are {', '.join(FLAGS)}")
        now = await changes.flags(wanted, **_who(request), expected=_expected(request))
    return _answer(FlagsResponse(now.version, now.flags), now)


async def config(request: Request) -> Response:
    """GET: the whole configuration. PUT: replace it, made from the version that If-Match names."""
    changes = admin_of(request).changes
    if request.method != "PUT":
        now = await changes.newest()
    else:
        expected = _expected(request)
        if expected is None:
            raise HTTPException(428, "If-Match must name the version that this was made from: the ETag of GET")
        now = await changes.config(await _object(request), **_who(request), expected=expected)
    return _answer(ConfigResponse(now.version, now.config), now)


async def runtime_history(request: Request) -> Response:
    """Who changed what, and when."""
    admin, limit = admin_of(request), history_limit(request.query_params)
    rows = await admin.changes.table.history(limit + 1)
    told, held = [], admin.live.defaults
    for row in reversed(rows):  # the oldest is only there to compare with, unless it is the first of all
        version, held = _version(row, held, admin.live.defaults)
        told.append(version)
    return _json(HistoryResponse(rows[0].version if rows else 0, told[::-1][:limit]))


async def rollback(request: Request) -> Response:
    """Add a version that says what an earlier one said."""
    body = await _object(request)
    try:
        wanted = msgspec.convert(body, RollbackRequest)
    except msgspec.ValidationError as error:
        raise InvalidInputError(f"version: {error}", [{"field": "version", "reason": str(error)}]) from None
    found = None
    if 0 <= wanted.version < 2**63 - 1:
        changes: Changes = admin_of(request).changes
        who = _who(request)
        note = "; ".join(filter(None, (f"rollback to {wanted.version}", who["note"])))
        found = await changes.rollback(wanted.version, by=who["by"], note=note, expected=_expected(request))
    if found is None:
        raise HTTPException(404, f"there is no version {wanted.version}: see /admin/runtime/history")
    return _answer(RuntimeResponse(found.version, found.flags, found.config), found)


def _version(row: Row, held: Runtime, defaults: Runtime) -> tuple[RuntimeVersion, Runtime]:
    """One line of the history, and what held from then on."""
    changes, problem = None, None
    try:
        after = load(row.document, defaults=defaults, version=row.version)
        changes, held = differences(held, after), after
    except InvalidInputError as error:
        problem = str(error)
    made_at = rfc3339(row.made_ms)
    return RuntimeVersion(row.version, made_at, row.made_by, row.note, changes, problem), held  # type: ignore[arg-type]


async def _object(request: Request) -> Mapping[str, object]:
    """The body: one JSON object. Raises InvalidInputError, and what read_body raises."""
    found = read(await read_body(request, LARGEST_BYTES))
    if not isinstance(found, dict):
        raise InvalidInputError("the body must be a JSON object", [{"field": "body", "reason": "must be an object"}])
    return found


def _who(request: Request) -> dict[str, str]:
    return {"by": f"user {request.state.user_id}", "note": only_note(request.query_params)}


def _expected(request: Request) -> int | None:
    """The version of If-Match; None: whatever is newest. Raises InvalidInputError."""
    told = request.headers.get("if-match")
    if told is None or told.strip() == "*":
        return None
    found = _VERSION.fullmatch(told.strip())
    if found is None:
        reason = f'is {told[:40]!r}; it must be the ETag of a GET, such as "7"'
        raise InvalidInputError(f"If-Match {reason}", [{"field": "If-Match", "reason": reason}])
    return int(found[1])


def _answer(body: msgspec.Struct, now: Runtime) -> Response:
    return _json(body, {"ETag": f'"{now.version}"'})


def _json(body: msgspec.Struct, headers: Mapping[str, str] | None = None) -> Response:
    always = {"Cache-Control": "no-store"}
    return Response(msgspec.json.encode(body), headers={**always, **(headers or {})}, media_type="application/json")


ADMIN_ROUTES = (
    admin_only("/admin/flags", flags, "GET", "PATCH"),
    admin_only("/admin/config", config, "GET", "PUT"),
    admin_only("/admin/runtime/history", runtime_history, "GET"),
    admin_only("/admin/runtime/rollback", rollback, "POST"),
)
