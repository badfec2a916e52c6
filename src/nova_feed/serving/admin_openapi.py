"""OpenAPI of what the admin listener has besides. Served there at /admin/openapi.json."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from nova_feed import __version__
from nova_feed.model import MAX_ID
from nova_feed.runtime.values import CONFIG, FLAGS, Number
from nova_feed.serving import admin_schemas, schemas
from nova_feed.serving.admin_routes import admin_only
from nova_feed.serving.openapi import _answer, _parameter, _ref
from nova_feed.serving.query import LONGEST_NOTE, MOST_VERSIONS, VERSIONS

_BODIES = (
    admin_schemas.FlagsResponse, admin_schemas.ConfigResponse, admin_schemas.HistoryResponse,
    admin_schemas.RuntimeResponse, admin_schemas.RollbackRequest, admin_schemas.CachedFeedResponse,
    admin_schemas.PostMeasuresResponse, admin_schemas.SystemStateResponse, admin_schemas.SampleRequest,
    admin_schemas.SampleResponse, admin_schemas.SampleWrites, schemas.Problem,
)  # fmt: skip
_PROBLEMS = {
    "400": "Invalid input.", "401": "No valid token.", "403": "The token lacks the scope admin.",
    "404": "There is no such flag or version.", "408": "The body came too slowly.",
    "412": "Another version is the newest by now.", "413": "The body is too large.", "415": "Not application/json.",
    "428": "If-Match is missing.", "503": "A store is away.",
}  # fmt: skip
_READ = ("401", "403", "503")
_WRITE = ("400", "401", "403", "408", "412", "413", "415", "503")
_IF_MATCH = {
    "name": "If-Match", "in": "header", "schema": {"type": "string"},
    "description": "The ETag of a GET: 412 when another version is the newest by now.",
}  # fmt: skip


async def admin_openapi(request: Request) -> Response:  # noqa: ARG001  the signature of an endpoint
    """This document."""
    return Response(_encoded(), media_type="application/json")


ADMIN_OPENAPI = admin_only("/admin/openapi.json", admin_openapi, "GET")


@cache
def _encoded() -> bytes:
    return msgspec.json.encode(admin_document())


def admin_document() -> dict[str, Any]:
    """The whole document, as plain data."""
    _, components = msgspec.json.schema_components(_BODIES, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Nova Feed, admin listener", "version": __version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Every operation needs a token with the scope admin.",
        },
        "security": [{"bearer": []}],
        "paths": {**_admin_paths(), **_debug_paths()},
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }  # fmt: skip


def _admin_paths() -> dict[str, Any]:
    note = _parameter("note", {"type": "string", "maxLength": LONGEST_NOTE}, "Why, for the history.")
    limit = {"type": "integer", "minimum": 1, "maximum": MOST_VERSIONS, "default": VERSIONS}
    flags = {name: {"type": "boolean", "description": meaning} for name, meaning in FLAGS.items()}
    numbers = {name: _number(number) for name, number in CONFIG.items()}
    some = _object(flags) | {"minProperties": 1}
    whole = _object(numbers) | {"required": list(CONFIG)}
    must = [_IF_MATCH | {"required": True}, note]
    return {
        "/admin/flags": {
            "get": _operation("get_flags", "Every flag.", "FlagsResponse", _READ),
            "patch": _operation("patch_flags", "Set some flags.", "FlagsResponse", (*_WRITE, "404"),
                                parameters=[_IF_MATCH, note], requestBody=_body(some)),
        },
        "/admin/config": {
            "get": _operation("get_config", "The whole configuration.", "ConfigResponse", _READ),
            "put": _operation("put_config", "Replace the configuration.", "ConfigResponse", (*_WRITE, "428"),
                              parameters=must, requestBody=_body(whole)),
        },
        "/admin/runtime/history": {"get": _operation(
            "runtime_history", "Who changed what, and when.", "HistoryResponse", ("400", *_READ),
            parameters=[_parameter("limit", limit, "Versions at most.")])},
        "/admin/runtime/rollback": {"post": _operation(
            "rollback", "Come back to what an earlier version said, as a new version.", "RuntimeResponse",
            (*_WRITE, "404"), parameters=[_IF_MATCH, note], requestBody=_body(_ref("RollbackRequest")))},
        "/admin/sample": {
            "get": _operation("sample_writes", "What can be written into a sample network; 404 where none is.",
                              "SampleWrites", (*_READ, "404")),
            "post": _operation("sample", "Write as the sample network's app does; 404 where none is.", "SampleResponse",
                               ("400", "401", "403", "404", "408", "413", "415", "503"),
                               requestBody=_body(_ref("SampleRequest"))),
        },
    }  # fmt: skip


def _debug_paths() -> dict[str, Any]:
    described = {"200": {"description": "OpenAPI 3.1.", "content": {"application/json": {}}}}
    return {
        "/debug/user/{user_id}/feed/cache": {"get": _operation(
            "user_feed_cache", "What is cached for a user.", "CachedFeedResponse", ("400", *_READ),
            parameters=[_in_path("user_id")])},
        "/debug/post/{post_id}/metrics": {"get": _operation(
            "post_metrics", "What a post's score is made from, as each store knows it.", "PostMeasuresResponse",
            ("400", "401", "403"), parameters=[_in_path("post_id")])},
        "/debug/system/state": {"get": _operation(
            "system_state", "Breakers, pools and versions of every process of this host; servers; lag.",
            "SystemStateResponse", ("401", "403"))},
        "/admin/openapi.json": {"get": {
            "operationId": "admin_openapi", "summary": "This document.",
            "responses": described | _refusals(("401", "403"))}},
    }  # fmt: skip


def _operation(name: str, summary: str, body: str, problems: tuple[str, ...], **more: Any) -> dict[str, Any]:
    answers = {"200": _answer(body, summary)} | _refusals(problems)
    return {"operationId": name, "summary": summary, "responses": answers, **more}


def _refusals(problems: tuple[str, ...]) -> dict[str, Any]:
    return {code: _answer("Problem", _PROBLEMS[code], "application/problem+json") for code in sorted(problems)}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _number(number: Number) -> dict[str, Any]:
    kind = "integer" if number.whole else "number"
    return {"type": kind, "minimum": number.least, "maximum": number.most, "description": number.meaning}


def _body(schema: dict[str, Any]) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _in_path(name: str) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 1, "maximum": MAX_ID}
    return {"name": name, "in": "path", "required": True, "schema": schema}
