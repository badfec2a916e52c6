"""OpenAPI 3.1, generated from the bodies' types and one table of operations. Served at /openapi.json."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from nova_feed import __version__
from nova_feed.ingest.validate import MOST as MOST_EVENTS
from nova_feed.ingest.validate import EventIn
from nova_feed.model import MAX_ID
from nova_feed.serving import schemas
from nova_feed.serving.charge import address_of, charge
from nova_feed.serving.query import ALGOS, LIMIT, MOST, MOST_PEOPLE, PEOPLE, WINDOWS
from nova_feed.serving.state import state_of

_BODIES = (
    schemas.FeedResponse, schemas.TrendingResponse, schemas.SuggestedUsersResponse, schemas.EventsResponse,
    schemas.InspectionResponse, schemas.DailyMetricsResponse, schemas.HealthResponse, schemas.LiveResponse, schemas.Problem, EventIn,
)  # fmt: skip
_PROBLEMS = {
    "400": "Invalid input.", "401": "No valid token.", "403": "Not for this token.",
    "404": "Not in the caller's feed.", "406": "Answers are application/json.", "408": "The body came too slowly.",
    "410": "The cursor's list has expired.", "413": "The body is too large.", "415": "Not application/json.",
    "429": "The caller has spent its rate limit: Retry-After says when to come again.",
    "503": "A store is away, or the service is busy: Retry-After says when to ask again. Events sent again count once.",
}  # fmt: skip


async def openapi(request: Request) -> Response:
    """This document."""
    await charge(request, state_of(request).limits.anonymous, address_of(request))
    return Response(_encoded(), media_type="application/json")


@cache
def _encoded() -> bytes:
    return msgspec.json.encode(document())


def document() -> dict[str, Any]:
    """The whole document, as plain data."""
    _, components = msgspec.json.schema_components(_BODIES, ref_template="#/components/schemas/{name}")
    return {
        "openapi": "3.1.0",
        "info": {"title": "Nova Feed", "version": __version__, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        "security": [{"bearer": []}],
        "paths": {**_feed_paths(), **_other_paths()},
        "components": {"schemas": components, "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}},
    }  # fmt: skip


def _feed_paths() -> dict[str, Any]:
    feed_parameters = [
        _parameter("algo", {"enum": list(ALGOS), "default": "ch"}, "ch: ranked; timeline: newest first."),
        _parameter("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT}, "Posts per page."),
        _parameter("cursor", {"type": "string"}, "The `cursor` of the previous page, as it came."),
        _parameter("explain", {"enum": ["true", "false", "1", "0"], "default": "false"}, "Explain every score."),
    ]
    trending_parameters = [
        _parameter(
            "window", {"enum": list(WINDOWS), "default": WINDOWS[0]}, "Engagement of the last hour, day or week."
        ),
        _parameter("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": LIMIT}, "Posts at most."),
    ]
    post = _parameter("post_id", {"type": "integer", "minimum": 1, "maximum": MAX_ID}, "The post.") | {"required": True}
    day = _parameter("date", {"type": "string", "format": "date"}, "UTC, at most a year back; without it today so far.")
    people = {"type": "integer", "minimum": 1, "maximum": MOST_PEOPLE, "default": PEOPLE}
    return {
        "/api/v1/feed": {"get": _operation("feed", "The caller's feed, ranked.", "FeedResponse", "200",
                                           ("400", "401", "406", "410", "429", "503"), parameters=feed_parameters)},
        "/api/v1/feed/explain": {"get": _operation("explain_post", "Why a post stands where it stands.", "InspectionResponse",
                                                   "200", ("400", "401", "404", "406", "429", "503"), parameters=[post])},
        "/api/v1/feed/why-not": {"get": _operation("why_not_post", "Why a post is not in the caller's feed.",
                                                   "InspectionResponse", "200", ("400", "401", "406", "429", "503"), parameters=[post])},
        "/api/v1/feed/trending": {"get": _operation("trending", "What trends, as far as the caller may see it.", "TrendingResponse",
                                                    "200", ("400", "401", "406", "429", "503"), parameters=trending_parameters)},
        "/api/v1/feed/metrics": {"get": _operation("daily_metrics", "What people did on a day.", "DailyMetricsResponse", "200",
                                                   ("400", "401", "406", "429", "503"), parameters=[day])},
        "/api/v1/discover/suggested-users": {"get": _operation(
            "suggested_users", "Whom the caller might follow, and why.", "SuggestedUsersResponse", "200",
            ("400", "401", "406", "429", "503"), parameters=[_parameter("limit", people, "People at most.")])},
    }  # fmt: skip


def _other_paths() -> dict[str, Any]:
    batch = {
        "type": "object", "required": ["events"], "additionalProperties": False,
        "properties": {"events": {"type": "array", "minItems": 1, "maxItems": MOST_EVENTS, "items": _ref("EventIn")}},
    }  # fmt: skip
    health = {"200": _answer("HealthResponse", "Answering."), "503": _answer("HealthResponse", "Not answering.")}
    return {
        "/api/v1/events": {"post": _operation("events", "Send up to 100 events.", "EventsResponse", "202",
                                              ("400", "401", "406", "408", "413", "415", "429", "503"),
                                              requestBody={"required": True, "content": {"application/json": {"schema": batch}}})},
        "/health": {"get": _open("health", "State and latency of each part.", health | {"429": _answer("Problem", _PROBLEMS["429"], "application/problem+json")})},
        "/health/live": {"get": _open("live", "Whether the process runs.", {"200": _answer("LiveResponse", "It runs.")})},
        "/health/ready": {"get": _open("ready", "Whether to send requests here.", health)},
        "/metrics": {"get": _open("metrics", "Prometheus metrics (loopback listeners only).",
                                  {"200": {"description": "Text format.", "content": {"text/plain": {}}},
                                   "404": _answer("Problem", "Not on this listener.", "application/problem+json")})},
        "/openapi.json": {"get": _open("openapi", "This document.", {"200": {"description": "OpenAPI 3.1.", "content": {"application/json": {}}},
                                                                "429": _answer("Problem", _PROBLEMS["429"], "application/problem+json")})},
    }  # fmt: skip


def _operation(
    name: str, summary: str, body: str, status: str, problems: tuple[str, ...], **more: Any
) -> dict[str, Any]:
    answers = {status: _answer(body, summary)}
    answers |= {code: _answer("Problem", _PROBLEMS[code], "application/problem+json") for code in problems}
    return {"operationId": name, "summary": summary, "responses": answers, **more}


def _open(name: str, summary: str, answers: dict[str, Any]) -> dict[str, Any]:
    return {"operationId": name, "summary": summary, "security": [], "responses": answers}


def _answer(body: str, description: str, media: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": {media: {"schema": _ref(body)}}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}
