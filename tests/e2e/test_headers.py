"""What every answer carries, whatever it answers; and how much a request may say before its body."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import httpx
import pytest

from nova_feed.serving.headers import DEFAULTS
from tests.e2e.test_bad_input import is_problem
from tests.reader import FEED
from tests.stack import LocalStack, bearer

pytestmark = pytest.mark.e2e


async def test_every_answer_of_every_route_and_every_refusal_has_the_security_headers(
    api: httpx.AsyncClient, stack: LocalStack
) -> None:
    paths = (await api.get("/openapi.json")).json()["paths"]
    user = bearer(stack, 1)
    asked = [await api.request(method, path, headers=user) for path, item in paths.items() for method in item]
    asked += [await api.get("/nothing"), await api.get(FEED), await api.delete(FEED, headers=user)]
    assert {answer.status_code for answer in asked} >= {200, 400, 401, 404, 405, 415}
    for answer in asked:
        for name, value in DEFAULTS:
            told = answer.headers.get_list(name.decode())
            assert len(told) == 1, (answer.url, name)
            assert told == [value.decode()] or name == b"cache-control", (answer.url, told)
        assert "no-store" in answer.headers["cache-control"]
        assert answer.headers.get_list("x-request-id") == [answer.headers["x-request-id"]]
        assert "granian" not in str(answer.headers).lower()


async def test_a_target_and_headers_that_are_too_long_are_refused(api: httpx.AsyncClient, stack: LocalStack) -> None:
    user = bearer(stack, 1)
    is_problem(await api.get(f"{FEED}?cursor={'x' * 9_000}", headers=user), 414)
    is_problem(await api.get("/" + "a" * 9_000), 414)
    is_problem(await api.get(FEED, headers=user | {"X-Filler": "x" * 40_000}), 431)
    assert (await api.get(FEED, headers=user | {"X-Filler": "x" * 20_000})).status_code == 200


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /health/live HTTP/1.1\r\nHost: x\r\n" + b"X-A: a\r\n" * 1000 + b"\r\n", 431),
        (b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 300_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /health/live HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", 400),
    ],
    ids=["a thousand headers", "300 kB of headers", "70 kB of target", "a null byte"],
)
def test_what_the_http_server_refuses_by_itself_names_no_server(stack: LocalStack, head: bytes, status: int) -> None:
    at = urlsplit(stack.facts["api_url"])
    with socket.create_connection((str(at.hostname), at.port or 80), timeout=10) as wire:
        wire.sendall(head)
        answer = wire.recv(4096)
    assert answer.split(b" ")[1] == str(status).encode(), answer
    assert b"granian" not in answer.lower()


def test_http_2_is_not_spoken_so_that_one_set_of_limits_holds(stack: LocalStack) -> None:
    at = urlsplit(stack.facts["api_url"])
    with socket.create_connection((str(at.hostname), at.port or 80), timeout=10) as wire:
        wire.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0")
        assert wire.recv(4096) == b"", "the connection is closed"
