"""The short way of GET /api/v1/feed: what may take it, and that it ends where the long way does."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from starlette.datastructures import State
from starlette.types import Message, Receive, Scope, Send

from nova_feed.clock import SystemClock
from nova_feed.ops.access import AccessLog
from nova_feed.serving.admit import Admit, Crowd
from nova_feed.serving.hot import PATH, HotFeed, _limit, _read

BEARER = (b"authorization", b"Bearer abc")


def scope(query: bytes = b"", *headers: tuple[bytes, bytes], method: str = "GET") -> Scope:
    return {"type": "http", "method": method, "path": "/api/v1/feed", "query_string": query, "headers": list(headers)}


@pytest.mark.parametrize(
    ("query", "limit"),
    [(b"", 50), (b"limit=1", 1), (b"limit=100", 100), (b"algo=ch", 50), (b"algo=ch&limit=20", 20)],
)
def test_a_plain_query_names_a_limit(query: bytes, limit: int) -> None:
    assert _limit(query) == limit


@pytest.mark.parametrize(
    "query",
    [b"limit=0", b"limit=101", b"limit=01", b"limit=", b"limit=1&limit=2", b"&limit=2", b"algo=ch&", b"algo=timeline",
     b"cursor=abc", b"explain=true", b"limit=2&explain=true", b"algo=chlimit=2", b"limit=%31", b"x=1"],
)  # fmt: skip
def test_every_other_query_goes_the_long_way(query: bytes) -> None:
    assert _limit(query) is None
    assert _read(scope(query, BEARER)) is None


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (BEARER, BEARER),
        (BEARER, (b"origin", b"https://app.example")),
        (BEARER, (b"accept", b"text/xml")),
        (BEARER, (b"if-none-match", b'"x"')),
        (BEARER, (b"range", b"bytes=0-1")),
        (BEARER, (b"x-request-id", b"x" * 65)),
        (BEARER, (b"x-request-id", b"\x07")),
        (BEARER, (b"x-request-id", b'with"quote')),
        (BEARER, (b"x-request-id", b"with\\backslash")),
        (BEARER, (b"x-request-id", "é".encode())),
    ],
)
def test_what_has_to_be_negotiated_or_refused_goes_the_long_way(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    assert _read(scope(b"", *headers)) is None


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS"])
def test_only_get_takes_the_short_way(method: str) -> None:
    assert _read(scope(b"", BEARER, method=method)) is None


def test_the_callers_request_id_is_kept_and_one_is_made_without() -> None:
    named = _read(scope(b"limit=5", BEARER, (b"x-request-id", b"mine"), (b"accept", b"*/*")))
    assert named is not None
    assert (named.request_id, named.limit, named.authorization) == ("mine", 5, "Bearer abc")
    unnamed = _read(scope(b"", BEARER))
    assert unnamed is not None
    assert len(unnamed.request_id) == 16


async def answered(app: HotFeed | Admit, asked: Scope) -> tuple[int, dict[bytes, bytes], dict[str, object]]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(asked, receive, send)
    return sent[0]["status"], dict(sent[0]["headers"]), json.loads(sent[1]["body"])


async def long_way(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b'{"way": "long"}'})


async def test_while_the_long_way_is_full_it_is_refused_here_as_it_is_there() -> None:
    access, crowd = AccessLog("error", "json", PATH), Crowd(most=1)
    nobody = SimpleNamespace(verifier=SimpleNamespace(known=lambda _: None), access=access)
    hot = HotFeed(long_way, State({"api": nobody}), SystemClock(), crowd)
    asked = {**scope(b"", BEARER, (b"x-request-id", b"mine")), "request_id": "mine",
             "server": ("localhost", 80), "scheme": "http"}  # fmt: skip
    assert (await answered(hot, asked))[2] == {"way": "long"}
    crowd.inside = 1
    status, headers, body = await answered(hot, asked)
    there = await answered(Admit(long_way, crowd), asked)
    assert (status, body) == (there[0], there[2])
    assert (status, body["type"], headers[b"x-request-id"]) == (503, "urn:nova-feed:problem:overloaded", b"mine")
    assert {name: headers[name] for name in there[1]} == there[1]
    assert (await answered(hot, asked | {"query_string": b"explain=true"}))[2] == {"way": "long"}


async def test_what_fails_on_the_short_way_goes_the_long_one() -> None:
    def fails(_: str) -> None:
        raise ZeroDivisionError

    broken = SimpleNamespace(verifier=SimpleNamespace(known=fails))
    hot = HotFeed(long_way, State({"api": broken}), SystemClock(), Crowd())
    assert (await answered(hot, scope(b"", BEARER)))[2] == {"way": "long"}
