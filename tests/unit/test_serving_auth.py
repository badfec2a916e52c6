"""Bearer tokens: which are taken, and that every other one is refused under one name."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from nova_feed.clock import SystemClock
from nova_feed.errors import ForbiddenError, UnauthorizedError
from nova_feed.model import MAX_ID
from nova_feed.serving.auth import LEEWAY_S, LONGEST_TOKEN, Principal, TokenVerifier, mint
from nova_feed.serving.keys import ASYMMETRIC, OneKey
from tests.unit.test_clock import VirtualClock

SECRET = "s" * 32


@dataclass(frozen=True)
class In:
    """A moment, in seconds from when the token is made."""

    seconds: int


GOOD: dict[str, Any] = {"sub": "7", "iss": "us", "aud": "feed", "iat": In(0), "exp": In(600)}


def now_s() -> int:
    return SystemClock().now_ms() // 1000


def dated(claims: dict[str, Any]) -> dict[str, Any]:
    return {name: now_s() + value.seconds if isinstance(value, In) else value for name, value in claims.items()}


class CountedKey(OneKey):
    """Says how often a signature was really checked."""

    asked = 0

    async def key(self, kid: str | None) -> Any:
        self.asked += 1
        return await super().key(kid)


def verifier(key: OneKey | None = None, clock: VirtualClock | None = None) -> TokenVerifier:
    keys = key or OneKey(SECRET, ["HS256"])
    return TokenVerifier(keys, issuer="us", audience="feed", clock=clock or VirtualClock(ms=now_s() * 1000))


def token(key: Any = SECRET, algorithm: str = "HS256", *, without: str = "", **claims: Any) -> str:
    body = {name: value for name, value in dated(GOOD | claims).items() if name != without}
    return jwt.encode(body, key, algorithm)


def by_hand(header: dict[str, Any], body: Any, signature: bytes = b"") -> str:
    parts = (json.dumps(header).encode(), json.dumps(body).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def signed(header: dict[str, Any]) -> str:
    """A good token but for its header."""
    unsigned = by_hand(header, dated(GOOD)).rpartition(".")[0]
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    return f"{unsigned}.{base64.urlsafe_b64encode(hmac.sign(unsigned.encode(), SECRET.encode())).decode().rstrip('=')}"


async def verify(text: str, key: OneKey | None = None) -> Principal:
    return await verifier(key).verify([f"Bearer {text}"])


async def test_a_good_token_names_who_asks() -> None:
    assert await verify(token()) == Principal(7, frozenset())
    assert await verify(token(scope="service admin")) == Principal(7, frozenset({"service", "admin"}))


async def test_a_minted_token_is_good() -> None:
    text = mint(SECRET, 42, issuer="us", audience="feed", now_ms=now_s() * 1000, life_s=60, scope="service")
    principal = await verify(text)
    assert (principal.user_id, principal.is_service) == (42, True)


@pytest.mark.parametrize(
    "header", [[], [""], ["Bearer"], ["Basic abc"], [token()], ["Bearer a", "Bearer b"], ["Bearer  "]]
)
async def test_there_must_be_one_bearer_header(header: list[str]) -> None:
    with pytest.raises(UnauthorizedError):
        await verifier().verify(header)


async def test_the_word_bearer_may_be_written_in_any_case() -> None:
    assert (await verifier().verify([f"bEARER {token()}"])).user_id == 7


@pytest.mark.parametrize("name", ["sub", "iss", "aud", "iat", "exp"])
async def test_a_token_without_a_required_claim_is_refused(name: str) -> None:
    with pytest.raises(UnauthorizedError, match=name):
        await verify(token(without=name))


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "them"}, {"iss": ""}, {"aud": "other"}, {"aud": ["feed", "other"]}, {"aud": ["feed"]},
        {"exp": In(-LEEWAY_S - 5)}, {"exp": 0}, {"exp": -1}, {"exp": "soon"}, {"exp": [1]}, {"exp": None},
        {"iat": In(LEEWAY_S + 60)}, {"iat": "now"}, {"nbf": In(LEEWAY_S + 60)},
        {"sub": "0"}, {"sub": "-7"}, {"sub": ""}, {"sub": "seven"}, {"sub": "7.0"}, {"sub": " 7"}, {"sub": "\u0667"},
        {"sub": "07"}, {"sub": str(MAX_ID + 1)}, {"sub": "9" * 5000},
        {"scope": ["service"]}, {"scope": 1}, {"scope": None}, {"scope": {"service": True}},
    ],
)  # fmt: skip
async def test_a_token_with_a_wrong_claim_is_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(UnauthorizedError):
        await verify(token(**claims))


@pytest.mark.parametrize("subject", [7, 7.0, True, None, ["7"]])
async def test_a_subject_that_is_no_string_is_refused(subject: Any) -> None:
    header, body = {"alg": "HS256", "typ": "JWT"}, dated(GOOD | {"sub": subject})
    signed = by_hand(header, body).rpartition(".")[0]
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(signed.encode(), SECRET.encode())
    with pytest.raises(UnauthorizedError):
        await verify(by_hand(header, body, signature))


@pytest.mark.parametrize("typ", ["refresh+jwt", "id+jwt", "dpop+jwt", "logout+jwt", "JWS", "", None, 5, ["JWT"]])
async def test_a_token_whose_header_says_it_is_no_access_token_is_refused(typ: Any) -> None:
    with pytest.raises(UnauthorizedError):
        await verify(signed({"alg": "HS256", "typ": typ}))


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"])
async def test_the_types_of_access_tokens_are_taken_in_any_case(typ: str) -> None:
    assert (await verify(jwt.encode(dated(GOOD), SECRET, "HS256", headers={"typ": typ}))).user_id == 7


async def test_a_token_without_a_type_is_taken() -> None:
    assert (await verify(signed({"alg": "HS256"}))).user_id == 7


@pytest.mark.parametrize(
    "claims",
    [{"typ": "Refresh"}, {"typ": "ID"}, {"typ": "Offline"}, {"typ": 1}, {"token_use": "id"}, {"token_use": None}],
)
async def test_a_token_whose_claims_say_it_is_no_access_token_is_refused(claims: dict[str, Any]) -> None:
    with pytest.raises(UnauthorizedError, match="no access token"):
        await verify(token(**claims))


@pytest.mark.parametrize("claims", [{"typ": "Bearer"}, {"token_use": "access"}])
async def test_claims_that_say_it_is_an_access_token_are_taken(claims: dict[str, Any]) -> None:
    assert (await verify(token(**claims))).user_id == 7


async def test_the_largest_user_id_is_a_subject() -> None:
    assert (await verify(token(sub=str(MAX_ID)))).user_id == MAX_ID


async def test_clocks_may_differ_a_little() -> None:
    assert (await verify(token(exp=In(-LEEWAY_S + 20)))).user_id == 7
    assert (await verify(token(iat=In(LEEWAY_S - 20), nbf=In(LEEWAY_S - 20)))).user_id == 7


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "", None, 5])
async def test_a_token_without_signature_is_refused(algorithm: Any) -> None:
    with pytest.raises(UnauthorizedError):
        await verify(by_hand({"alg": algorithm, "typ": "JWT"}, dated(GOOD)))


async def test_a_token_signed_with_another_key_or_algorithm_is_refused() -> None:
    for text in (token("o" * 32), token("s" * 64, "HS512"), token("s" * 48, "HS384")):
        with pytest.raises(UnauthorizedError):
            await verify(text)


async def test_an_altered_token_is_refused() -> None:
    head, body, signature = token().split(".")
    other = base64.urlsafe_b64encode(json.dumps(dated(GOOD | {"sub": "8"})).encode()).decode().rstrip("=")
    for text in (f"{head}.{other}.{signature}", f"{head}.{body}.", f"{head}.{body}", head, "", f"{head}.{body}.AAAA"):
        with pytest.raises(UnauthorizedError):
            await verify(text)


@pytest.mark.parametrize(
    "text", ["a.b.c", "ü.ü.ü", "..", "\0", "W10.e30.AAAA", by_hand({"alg": "HS256"}, []), "x" * 9000]
)
async def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(UnauthorizedError):
        await verify(text)


async def test_a_token_that_is_too_long_is_not_looked_into() -> None:
    key = CountedKey(SECRET, ["HS256"])
    with pytest.raises(UnauthorizedError, match="too long"):
        await verify(token(padding="x" * LONGEST_TOKEN), key)
    assert key.asked == 0


async def test_a_public_key_is_never_taken_for_a_shared_secret() -> None:
    pair = rsa.generate_private_key(65537, 2048)
    public = pair.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    keys = OneKey(public.decode(), ASYMMETRIC)
    assert (await verify(token(pair, "RS256"), keys)).user_id == 7
    header, body = {"alg": "HS256", "typ": "JWT"}, dated(GOOD)
    signed = by_hand(header, body).rpartition(".")[0]
    forged = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(signed.encode(), public)
    with pytest.raises(UnauthorizedError):
        await verify(by_hand(header, body, forged), keys)


async def test_ed25519_tokens_are_taken_with_a_public_key() -> None:
    pair = ed25519.Ed25519PrivateKey.generate()
    assert (await verify(token(pair, "EdDSA"), OneKey(pair.public_key(), ASYMMETRIC))).user_id == 7


async def test_a_signature_is_checked_once_until_the_token_expires() -> None:
    exp = now_s() + 600
    clock, key, header = VirtualClock(ms=exp * 1000), CountedKey(SECRET, ["HS256"]), [f"Bearer {token(exp=exp)}"]
    asked = verifier(key, clock)
    clock.pass_s(-600)
    for _ in range(5):
        assert (await asked.verify(header)).user_id == 7
    assert key.asked == 1
    clock.pass_s(599.999)
    await asked.verify(header)
    assert key.asked == 1
    clock.pass_s(0.001)
    await asked.verify(header)
    assert key.asked == 2


async def test_a_token_is_looked_at_again_after_ten_minutes_so_that_a_withdrawn_key_is_missed() -> None:
    clock, key = VirtualClock(ms=now_s() * 1000), CountedKey(SECRET, ["HS256"])
    header, asked = [f"Bearer {token(exp=In(86_400))}"], verifier(key, clock)
    for minutes in (0, 9.99, 0.01, 9.99):
        clock.pass_s(minutes * 60)
        await asked.verify(header)
    assert key.asked == 2


async def test_a_token_that_was_refused_is_not_remembered() -> None:
    key = CountedKey(SECRET, ["HS256"])
    asked = verifier(key)
    for _ in range(2):
        with pytest.raises(UnauthorizedError):
            await asked.verify([f"Bearer {token('o' * 32)}"])
    assert key.asked == 2


def test_a_scope_that_is_needed_and_not_there_is_forbidden_by_name() -> None:
    Principal(7, frozenset({"admin"})).require("admin")
    with pytest.raises(ForbiddenError, match="'admin'"):
        Principal(7, frozenset({"service"})).require("admin")
