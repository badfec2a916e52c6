"""Every token that is not good is 401 on every route that needs one, with one message. The routes come from OpenAPI."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.e2e.test_bad_input import is_problem
from tests.issuer import Issuer
from tests.own_api import own_api
from tests.reader import EVENTS, FEED
from tests.stack import LocalStack

pytestmark = pytest.mark.e2e
Header = dict[str, Any]
CLAIMS: dict[str, Any] = {"sub": "1", "iss": "nova-feed", "aud": "nova-feed"}
OWN_JWK = {"kty": "oct", "k": base64.urlsafe_b64encode(b"x" * 48).decode()}
HS256: Header = {"alg": "HS256", "typ": "JWT"}


def text(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).decode().rstrip("=")


def claims(**changes: Any) -> dict[str, Any]:
    """Good claims but for the changes; None leaves a claim out."""
    now = int(time.time())
    return {
        name: value for name, value in (CLAIMS | {"iat": now, "exp": now + 600} | changes).items() if value is not None
    }


def signed(key: bytes, header: Header, body: dict[str, Any]) -> str:
    """HMAC-SHA256 by hand, over whatever the header says."""
    unsigned = f"{text(json.dumps(header).encode())}.{text(json.dumps(body).encode())}"
    return f"{unsigned}.{text(hmac.digest(key, unsigned.encode(), hashlib.sha256))}"


def flipped(token: str) -> str:
    head, body, signature = token.split(".")
    return f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


# name -> the token, made with the stack's own secret: each would be good but for what its name says
WITH_SECRET: dict[str, Callable[[bytes], str]] = {
    **{f"alg {alg}": lambda key, alg=alg: signed(key, {"alg": alg, "typ": "JWT"}, claims())  # type: ignore[misc]
       for alg in ("none", "None", "nOnE", "", "HS384", "RS256", "hs256", None, 5)},
    **{f"typ {typ}": lambda key, typ=typ: signed(key, HS256 | {"typ": typ}, claims())  # type: ignore[misc]
       for typ in ("refresh+jwt", "id+jwt", "dpop+jwt", "", 5)},
    **{f"claims {changes}": lambda key, changes=changes: signed(key, HS256, claims(**changes))  # type: ignore[misc]
       for changes in (
           {"exp": None}, {"exp": 1}, {"exp": 10**18}, {"exp": "2030-01-01"}, {"exp": -1.5}, {"exp": True},
           {"nbf": 10**10}, {"nbf": "x"}, {"iat": None}, {"iat": 10**10}, {"aud": None}, {"aud": ["nova-feed", "x"]},
           {"aud": "nova"}, {"aud": "nova-feed-2"}, {"iss": None}, {"iss": "nova"}, {"iss": "https://nova-feed.evil"},
           {"iss": ["nova-feed"]}, {"sub": None}, {"sub": 1}, {"sub": ""}, {"sub": " 1"}, {"sub": "1 OR 1=1"},
           {"sub": "0"}, {"sub": str(2**63)}, {"scope": ["service"]}, {"typ": "Refresh"}, {"token_use": "id"})},
    "signature flipped": lambda key: flipped(signed(key, HS256, claims())),
    "signature empty": lambda key: signed(key, HS256, claims()).rpartition(".")[0] + ".",
    "signature stripped": lambda key: signed(key, HS256, claims()).rpartition(".")[0],
    "five parts": lambda key: signed(key, HS256, claims()) + ".e30.AAAA",
    "unknown crit": lambda key: signed(key, HS256 | {"crit": ["x"], "x": 1}, claims()),
    "b64 false": lambda key: signed(key, HS256 | {"crit": ["b64"], "b64": False}, claims()),
    "another key": lambda key: signed(b"x" * 48, HS256, claims()),
    "the empty key of a kid": lambda key: signed(b"", HS256 | {"kid": "../../../../dev/null"}, claims()),
    "a key by SQL in kid": lambda key: signed(b"x", HS256 | {"kid": "x' UNION SELECT 'x"}, claims()),
    "its own key in jwk": lambda key: signed(b"x" * 48, HS256 | {"jwk": OWN_JWK}, claims()),
    "9 kB": lambda key: signed(key, HS256, claims(padding="x" * 7_000)),
    "not a token": lambda key: "x",
}  # fmt: skip


@pytest.fixture(scope="module")
async def operations(stack: LocalStack) -> list[tuple[str, str]]:
    """(method, path) of every operation that needs a token, as the served document says."""
    async with httpx.AsyncClient(base_url=stack.facts["api_url"], timeout=10) as http:
        paths = (await http.get("/openapi.json")).json()["paths"]
    found = [
        (method, re.sub(r"\{\w+\}", "1", path))
        for path, item in paths.items()
        for method, operation in item.items()
        if operation.get("security") != []
    ]
    assert {("get", FEED), ("post", EVENTS)} <= set(found)
    return found


async def refused_everywhere(http: httpx.AsyncClient, operations: list[tuple[str, str]], headers: Any) -> None:
    """401 on every route, and nothing that tells one reason from another."""
    told = set()
    for method, path in operations:
        answer = await http.request(method, path, headers=headers)
        is_problem(answer, 401)
        assert answer.headers["www-authenticate"] == 'Bearer realm="nova-feed"'
        told.add(answer.json()["detail"])
    assert told == {"a valid bearer token is needed"}


@pytest.mark.parametrize("name", WITH_SECRET)
async def test_a_token_that_is_not_good_is_401_on_every_route(
    api: httpx.AsyncClient, stack: LocalStack, operations: list[tuple[str, str]], name: str
) -> None:
    token = WITH_SECRET[name](stack.jwt_secret.encode())
    await refused_everywhere(api, operations, {"Authorization": f"Bearer {token}"})


async def test_no_token_another_scheme_two_tokens_and_a_token_elsewhere_are_401_on_every_route(
    api: httpx.AsyncClient, stack: LocalStack, operations: list[tuple[str, str]]
) -> None:
    good = stack.token(1)
    for headers in (
        [], [("Authorization", "Bearer")],
        [("Authorization", "Basic eDp5")], [("Authorization", f"Token {good}")], [("Authorization", good)],
        [("Authorization", f"Bearer {good}")] * 2, [("X-Authorization", f"Bearer {good}")],
        [("Cookie", f"token={good}; access_token={good}")], [("Authorization", f"Bearer {good}, Bearer {good}")],
    ):  # fmt: skip
        await refused_everywhere(api, operations, headers)
    for method, path in operations:
        is_problem(await api.request(method, path, params={"access_token": good, "token": good}), 401)


async def test_a_good_token_is_taken_on_every_route(
    api: httpx.AsyncClient, stack: LocalStack, operations: list[tuple[str, str]]
) -> None:
    for token in (stack.token(1), signed(stack.jwt_secret.encode(), {"alg": "HS256", "typ": "at+jwt"}, claims())):
        for method, path in operations:
            if not path.startswith("/api/"):
                continue  # not for every user
            answer = await api.request(method, path, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code in {200, 400, 415}, (path, answer.text)


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    made.publish("one")
    yield made
    made.close()


@pytest.fixture(scope="module")
async def jwks_api(stack: LocalStack, issuer: Issuer) -> AsyncIterator[httpx.AsyncClient]:
    """An API whose tokens are signed by the issuer."""
    with own_api(stack, NOVA_JWT_SECRET="", NOVA_JWKS_URL=issuer.url, WORKER_CONCURRENCY="1") as url:
        async with httpx.AsyncClient(base_url=url, timeout=10) as http:
            yield http


def with_public_key(issuer: Issuer, attacker: Issuer) -> dict[str, str]:
    """name -> a token that an attacker makes who knows the public keys only."""
    public, kid = issuer.keys["one"].public_key(), {"kid": "one"}
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    jwk = json.dumps(json.loads(issuer.document())["keys"][0]).encode()
    own, there = attacker.keys["own"], attacker.url
    good = jwt.encode(claims(), issuer.keys["one"], "EdDSA", headers=kid)

    def by_attacker(**header: Any) -> str:
        return jwt.encode(claims(), own, "EdDSA", headers=header)

    return {
        **{f"HS256 with the public key as {name}": signed(key, HS256 | kid, claims())
           for name, key in (("PEM", pem), ("stripped PEM", pem.strip()), ("raw", raw), ("JWK", jwk))},
        "alg none with a kid": signed(b"", {"alg": "none"} | kid, claims()),
        "EdDSA by another key under a known kid": by_attacker(**kid),
        "no kid": jwt.encode(claims(), issuer.keys["one"], "EdDSA"),
        "unknown kid": by_attacker(kid="own"),
        "kid a path": by_attacker(kid="../../../../dev/null"),
        "kid SQL": by_attacker(kid="' OR '1'='1"),
        "jku": by_attacker(jku=there, kid="own"),
        "x5u": by_attacker(x5u=there, kid="own"),
        "jku under a known kid": by_attacker(jku=there, **kid),
        "jwk in the header": by_attacker(jwk=json.loads(attacker.document())["keys"][0], **kid),
        "flipped": flipped(good),
    }  # fmt: skip


async def test_whoever_knows_only_public_keys_gets_401_on_every_route_and_his_url_is_never_asked(
    jwks_api: httpx.AsyncClient, issuer: Issuer, operations: list[tuple[str, str]]
) -> None:
    attacker = Issuer()
    attacker.publish("own")
    try:
        for token in with_public_key(issuer, attacker).values():
            await refused_everywhere(jwks_api, operations, {"Authorization": f"Bearer {token}"})
        assert attacker.asked == 0
    finally:
        attacker.close()
    good = jwt.encode(claims(), issuer.keys["one"], "EdDSA", headers={"kid": "one"})
    assert (await jwks_api.get(FEED, headers={"Authorization": f"Bearer {good}"})).status_code == 200
