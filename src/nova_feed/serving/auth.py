"""JWT bearer tokens (RFC 8725): one algorithm family, required claims, keys from settings and never from a header."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from nova_feed.clock import Clock
from nova_feed.errors import ForbiddenError, UnauthorizedError
from nova_feed.model import MAX_ID
from nova_feed.serving.keys import KeySource

LEEWAY_S = 30
LONGEST_TOKEN = 8192
_REMEMBERED = 50_000
# Times are judged here, by the clock that everything else goes by.
_OPTIONS: Any = {"require": ["exp", "iat", "iss", "aud", "sub"], "strict_aud": True,
                 "verify_exp": False, "verify_iat": False, "verify_nbf": False}  # fmt: skip
_SUBJECT = re.compile(r"[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the token's subject (a user id) and its scopes."""

    user_id: int
    scopes: frozenset[str]

    @property
    def is_service(self) -> bool:
        """Whether this is a service, which may speak for many users."""
        return "service" in self.scopes

    def require(self, scope: str) -> None:
        """Raises ForbiddenError when the token lacks ``scope``."""
        if scope not in self.scopes:
            raise ForbiddenError(f"this needs a token with the scope {scope!r}")


class TokenVerifier:
    """Verifies tokens and remembers the verified ones until they expire (a signature check costs 50 to 150 us)."""

    def __init__(self, keys: KeySource, *, issuer: str, audience: str, clock: Clock) -> None:
        self._keys, self._issuer, self._audience, self._clock = keys, issuer, audience, clock
        self._known: dict[str, tuple[int, Principal]] = {}

    async def verify(self, authorization: Sequence[str]) -> Principal:
        """The principal of the Authorization headers of one request. Raises UnauthorizedError."""
        if len(authorization) != 1 or authorization[0][:7].lower() != "bearer ":
            raise UnauthorizedError("there must be one header `Authorization: Bearer <token>`")
        token = authorization[0][7:].strip()
        known = self._known.get(token)
        if known is not None and known[0] > self._clock.now_ms():
            return known[1]
        claims = await self._decode(token)
        principal = _principal(claims)
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known[token] = (int(claims["exp"]) * 1000, principal)
        return principal

    def known(self, authorization: str) -> Principal | None:
        """The principal of a header that was verified before and holds still; None says nothing."""
        known = self._known.get(authorization[7:])
        if known is None or known[0] <= self._clock.now_ms() or authorization[:7].lower() != "bearer ":
            return None
        return known[1]

    async def _decode(self, token: str) -> dict[str, Any]:
        if len(token) > LONGEST_TOKEN:
            raise UnauthorizedError("the token is too long")
        try:
            header = jwt.get_unverified_header(token)
            key = await self._keys.key(header.get("kid"))
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=self._keys.algorithms, issuer=self._issuer, audience=self._audience,
                options=_OPTIONS,
            )  # fmt: skip
            _check_times(claims, self._clock.now_ms() / 1000)
        except (jwt.PyJWTError, ValueError, OverflowError, TypeError) as error:
            raise UnauthorizedError(str(error)) from error
        return claims


def _check_times(claims: dict[str, Any], now_s: float) -> None:
    """Raises UnauthorizedError unless exp, iat and nbf (RFC 7519: numbers of seconds) allow the token now."""
    times = {name: claims[name] for name in ("exp", "iat", "nbf") if name in claims}
    for name, value in times.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**40:
            raise UnauthorizedError(f"{name} must be a number of seconds")
    if times["exp"] <= now_s - LEEWAY_S:
        raise UnauthorizedError("the token has expired")
    if max(times["iat"], times.get("nbf", 0)) > now_s + LEEWAY_S:
        raise UnauthorizedError("the token is not valid yet")


def _principal(claims: dict[str, Any]) -> Principal:
    subject, scope = claims["sub"], claims.get("scope", "")
    if not (isinstance(subject, str) and _SUBJECT.fullmatch(subject) and int(subject) <= MAX_ID):
        raise UnauthorizedError("sub must be a user id: a decimal number as a string")
    if not isinstance(scope, str):
        raise UnauthorizedError("scope must be a string of words")
    return Principal(int(subject), frozenset(scope.split()))


def mint(secret: str, user_id: int, *, issuer: str, audience: str, now_ms: int, life_s: int, scope: str = "") -> str:
    """A token for development, signed with HS256."""
    now = now_ms // 1000
    claims = {"sub": str(user_id), "iss": issuer, "aud": audience, "iat": now, "exp": now + life_s}
    return jwt.encode(claims | ({"scope": scope} if scope else {}), secret, algorithm="HS256")
