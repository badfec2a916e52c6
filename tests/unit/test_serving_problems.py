"""Errors as answers: one row for each, and nothing told that is not for the caller."""

from __future__ import annotations

import inspect
import json
from http import HTTPStatus
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from nova_feed import errors
from nova_feed.serving.problems import TABLE, answer, http_error

REQUEST = {"type": "http", "method": "GET", "path": "/api/v1/feed", "headers": [], "query_string": b"",
           "request_id": "r1", "server": ("localhost", 80), "scheme": "http"}  # fmt: skip
NOT_OF_A_REQUEST = {errors.NovaError, errors.SettingsError}
EXAMPLES: dict[type[Exception], Exception] = {
    errors.InvalidInputError: errors.InvalidInputError("limit is wrong", [{"field": "limit", "reason": "is wrong"}]),
    errors.CursorError: errors.CursorError("not a cursor"),
    errors.CursorExpiredError: errors.CursorExpiredError("expired"),
    errors.UnauthorizedError: errors.UnauthorizedError("the aud claim is wrong"),
    errors.ForbiddenError: errors.ForbiddenError("needs admin"),
    errors.StaleVersionError: errors.StaleVersionError("the newest version is 8 by now"),
    errors.StoreUnavailableError: errors.StoreUnavailableError("clickhouse", "10.0.0.7 refused"),
}


def request() -> Request:
    return Request(dict(REQUEST))


async def body_of(error: Exception) -> dict[str, Any]:
    response = await answer(request(), error)
    assert response.media_type == "application/problem+json"
    body: dict[str, Any] = json.loads(bytes(response.body))
    assert body["status"] == response.status_code
    return body


def test_every_failure_that_a_request_can_meet_has_a_row() -> None:
    named = {kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.NovaError)}
    assert named - NOT_OF_A_REQUEST == set(TABLE) == set(EXAMPLES)


def test_no_two_failures_share_a_type() -> None:
    assert len({kind for _, kind, _ in TABLE.values()}) == len(TABLE)


@pytest.mark.parametrize("kind", list(TABLE))
async def test_every_problem_says_what_where_and_for_which_request(kind: type[Exception]) -> None:
    body = await body_of(EXAMPLES[kind])
    assert body["type"] == f"urn:nova-feed:problem:{TABLE[kind][1]}"
    assert body["title"] == HTTPStatus(TABLE[kind][0]).phrase
    assert (body["instance"], body["request_id"]) == ("/api/v1/feed", "r1")
    assert body["detail"]


async def test_wrong_fields_are_named() -> None:
    body = await body_of(EXAMPLES[errors.InvalidInputError])
    assert body["errors"] == [{"field": "limit", "reason": "is wrong"}]


async def test_whoever_tries_tokens_does_not_learn_which_claim_is_wrong() -> None:
    response = await answer(request(), EXAMPLES[errors.UnauthorizedError])
    assert b"aud" not in bytes(response.body)
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_an_absent_store_is_named_but_not_where_it_is() -> None:
    response = await answer(request(), EXAMPLES[errors.StoreUnavailableError])
    assert b"clickhouse is away" in bytes(response.body)
    assert b"10.0.0.7" not in bytes(response.body)
    assert int(response.headers["retry-after"]) > 0


async def test_what_the_router_refuses_is_a_problem_too() -> None:
    response = await http_error(request(), HTTPException(405, "Method Not Allowed", {"Allow": "GET"}))
    body = json.loads(bytes(response.body))
    assert (body["type"], body["status"]) == ("urn:nova-feed:problem:method-not-allowed", 405)
    assert response.headers["allow"] == "GET"
