"""Whatever comes in, the answer is a 4xx in problem+json that says what would be right."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import httpx
import jwt
import pytest

from tests.stack import LocalStack, bearer

pytestmark = pytest.mark.e2e


def is_problem(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("limit=0", "1 to 100"), ("limit=-1", "1 to 100"), ("limit=101", "1 to 100"), ("limit=abc", "1 to 100"),
        ("limit=1.5", "1 to 100"), ("limit=", "1 to 100"), ("limit=٣", "1 to 100"), ("limit=1000000000000", "1 to 100"),
        ("limit=5&limit=6", "more than once"), ("algo=best", "ch, timeline"), ("explain=maybe", "true"),
        ("user_id=2", "algo, limit, cursor, explain"), ("cursor=", "not a cursor"), ("cursor=AAAA", "not a cursor"),
        ("cursor=" + "é" * 112, "not a cursor"), ("cursor=" + "x" * 5000, "not a cursor"),
    ],
)  # fmt: skip
async def test_a_wrong_parameter_is_named_with_what_would_be_right(
    api: httpx.AsyncClient, stack: LocalStack, query: str, told: str
) -> None:
    answer = await api.get(f"/api/v1/feed?{query}", headers=bearer(stack, 1))
    is_problem(answer, 400)
    assert told in answer.json()["detail"]


async def test_a_cursor_serves_nobody_but_its_viewer_and_only_as_it_came(
    api: httpx.AsyncClient, stack: LocalStack
) -> None:
    first = await api.get("/api/v1/feed", params={"limit": 5}, headers=bearer(stack, 1))
    cursor = first.json()["cursor"]
    altered = cursor[:20] + ("A" if cursor[20] != "A" else "B") + cursor[21:]
    for text, user in ((cursor, 2), (cursor[:-1], 1), (altered, 1), (cursor + "A", 1)):
        is_problem(await api.get("/api/v1/feed", params={"cursor": text}, headers=bearer(stack, user)), 400)


def _claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    good = {"sub": "1", "iss": "nova-feed", "aud": "nova-feed", "iat": now, "exp": now + 600}
    return {name: value for name, value in (good | changes).items() if value is not None}


def _unsigned(name: str) -> str:
    head, body = ({"alg": name, "typ": "JWT"}, _claims())
    return (
        ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in (head, body))
        + "."
    )


BAD_CLAIMS = {
    "expired": {"exp": int(time.time()) - 3600}, "no expiry": {"exp": None},
    "not yet": {"nbf": int(time.time()) + 3600},
    "other audience": {"aud": "other"}, "no audience": {"aud": None}, "part of the issuer": {"iss": "nova"},
    "no subject": {"sub": None}, "a name": {"sub": "ada"}, "zero": {"sub": "0"}, "negative": {"sub": "-1"},
    "too large": {"sub": str(2**63)}, "no issue time": {"iat": None},
}  # fmt: skip


@pytest.mark.parametrize("changes", BAD_CLAIMS.values(), ids=BAD_CLAIMS.keys())
async def test_a_token_with_a_wrong_claim_is_401(
    api: httpx.AsyncClient, stack: LocalStack, changes: dict[str, Any]
) -> None:
    token = jwt.encode(_claims(**changes), stack.jwt_secret, algorithm="HS256")
    answer = await api.get("/api/v1/feed", headers={"Authorization": f"Bearer {token}"})
    is_problem(answer, 401)
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_a_token_that_we_did_not_sign_is_401(api: httpx.AsyncClient, stack: LocalStack) -> None:
    good = stack.token(1)
    flipped = good[:-5] + ("A" if good[-5] != "A" else "B") + good[-4:]
    foreign = jwt.encode(_claims(), "x" * 40, algorithm="HS256")
    other = jwt.encode(_claims(), stack.jwt_secret, algorithm="HS512")
    for token in (
        _unsigned("none"),
        _unsigned("None"),
        _unsigned("nOnE"),
        flipped,
        foreign,
        other,
        "x",
        "a.b.c",
        "x" * 9000,
    ):
        is_problem(await api.get("/api/v1/feed", headers={"Authorization": f"Bearer {token}"}), 401)


async def test_no_token_a_wrong_scheme_and_two_tokens_are_401(api: httpx.AsyncClient, stack: LocalStack) -> None:
    twice = [("Authorization", f"Bearer {stack.token(1)}"), ("Authorization", f"Bearer {stack.token(2)}")]
    for headers in ([], [("Authorization", "Basic eA==")], twice):
        is_problem(await api.get("/api/v1/feed", headers=headers), 401)


async def test_an_unknown_path_is_404_and_a_wrong_method_405_with_allow(api: httpx.AsyncClient) -> None:
    is_problem(await api.get("/api/v1/nothing"), 404)
    answer = await api.delete("/api/v1/feed")
    is_problem(answer, 405)
    assert "GET" in answer.headers["allow"]
