"""Where the keys of tokens come from: a shared secret, a public key file, or a JWKS document. Never from a token."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Protocol

import httpx
import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from nova_feed.clock import Clock
from nova_feed.errors import SettingsError, UnauthorizedError
from nova_feed.settings import Settings

ASYMMETRIC = ["RS256", "ES256", "EdDSA"]
_KINDS = ((RSAPublicKey, "RS256"), (EllipticCurvePublicKey, "ES256"), (Ed25519PublicKey, "EdDSA"))


STALE_S = 3600.0  # a key that the issuer withdrew is good for an hour at most


class KeySource(Protocol):
    """Keys, and the algorithms they may be used with."""

    algorithms: list[str]

    async def key(self, kid: str | None) -> Any:
        """The key a token names. Raises UnauthorizedError for one that is not known."""


class OneKey:
    """A single key, whatever ``kid`` a token names."""

    def __init__(self, key: Any, algorithms: list[str]) -> None:
        self._key, self.algorithms = key, algorithms

    async def key(self, kid: str | None) -> Any:  # noqa: ARG002  part of the protocol
        return self._key


class Jwks:
    """Keys by ``kid`` from one fixed URL: no redirects, at most one fetch a minute, whatever kids are asked for."""

    algorithms = ASYMMETRIC

    def __init__(self, url: str, clock: Clock, *, every_s: float = 60.0) -> None:
        self._url, self._clock, self._every_s = url, clock, every_s
        self._keys: dict[str, Any] = {}
        self._fetched_at: float | None = None
        self._lock = asyncio.Lock()

    async def key(self, kid: str | None) -> Any:
        if not isinstance(kid, str):
            raise UnauthorizedError("the token names no key")
        if kid not in self._keys or self._age_s() > STALE_S:
            async with self._lock:
                await self._refresh()
        try:
            return self._keys[kid]
        except KeyError:
            raise UnauthorizedError("the token names a key that is not known") from None

    def _age_s(self) -> float:
        return float("inf") if self._fetched_at is None else self._clock.monotonic() - self._fetched_at

    async def _refresh(self) -> None:
        if self._age_s() < self._every_s:
            return
        self._fetched_at = self._clock.monotonic()
        try:
            async with httpx.AsyncClient(timeout=3, follow_redirects=False) as client:
                answer = (await client.get(self._url)).raise_for_status()
            document = answer.json()
            found = jwt.PyJWKSet.from_dict(document if isinstance(document, dict) else {})
        except (httpx.HTTPError, ValueError, jwt.PyJWTError):
            return  # known keys go on working
        self._keys = {key.key_id: key.key for key in found.keys if key.key_id}


def key_source(settings: Settings, clock: Clock) -> KeySource:
    """The one source that is configured. Raises SettingsError unless there is exactly one."""
    secret = settings.jwt_secret.get_secret_value()
    chosen = [name for name, value in _choices(settings, secret) if value]
    if len(chosen) != 1:
        raise SettingsError(
            f"exactly one of {', '.join(name for name, _ in _choices(settings, secret))} must be set; "
            f"{'none is' if not chosen else ' and '.join(chosen) + ' are'}"
        )
    if secret:
        return OneKey(secret, ["HS256"])
    if settings.jwks_url:
        return Jwks(settings.jwks_url, clock)
    return _from_file(settings.jwt_public_key_file)


def _from_file(path: str) -> OneKey:
    wrong = f"NOVA_JWT_PUBLIC_KEY_FILE={path}: must be the PEM of an RSA, P-256 or Ed25519 public key"
    try:
        key = load_pem_public_key(Path(path).read_bytes())
    except OSError as error:
        raise SettingsError(f"NOVA_JWT_PUBLIC_KEY_FILE={path}: {error.strerror}") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise SettingsError(wrong) from error
    for kind, algorithm in _KINDS:
        if isinstance(key, kind):
            return OneKey(key, [algorithm])
    raise SettingsError(wrong)


def _choices(settings: Settings, secret: str) -> tuple[tuple[str, str], ...]:
    return (
        ("NOVA_JWT_SECRET", secret),
        ("NOVA_JWT_PUBLIC_KEY_FILE", settings.jwt_public_key_file),
        ("NOVA_JWKS_URL", settings.jwks_url),
    )
