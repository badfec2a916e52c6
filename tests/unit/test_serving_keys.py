"""Where keys come from: exactly one place."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from nova_feed.errors import SettingsError, UnauthorizedError
from nova_feed.serving.keys import Jwks, OneKey, key_source
from nova_feed.settings import load
from tests.unit.test_clock import VirtualClock

PrivateKey = ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@pytest.mark.parametrize("chosen", list(product([False, True], repeat=3)))
def test_exactly_one_source_of_keys_must_be_chosen(chosen: tuple[bool, bool, bool], tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(pem(ed25519.Ed25519PrivateKey.generate()))
    names = ("NOVA_JWT_SECRET", "NOVA_JWT_PUBLIC_KEY_FILE", "NOVA_JWKS_URL")
    values = ("s" * 32, str(file), "https://issuer.example/jwks.json")
    settings = load({name: value for name, value, yes in zip(names, values, chosen, strict=True) if yes})
    if sum(chosen) == 1:
        assert key_source(settings, VirtualClock()).algorithms
    else:
        with pytest.raises(SettingsError, match=f"exactly one of {', '.join(names)} must"):
            key_source(settings, VirtualClock())


async def test_a_secret_is_for_hs256_alone() -> None:
    source = key_source(load({"NOVA_JWT_SECRET": "s" * 32}), VirtualClock())
    assert isinstance(source, OneKey)
    assert (source.algorithms, await source.key("any")) == (["HS256"], "s" * 32)


def pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(ed25519.Ed25519PrivateKey.generate(), "EdDSA"), (ec.generate_private_key(ec.SECP256R1()), "ES256"),
     (rsa.generate_private_key(65537, 2048), "RS256")],
)  # fmt: skip
async def test_a_public_key_is_for_its_own_algorithm_alone(tmp_path: Path, key: PrivateKey, algorithm: str) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(pem(key))
    source = key_source(load({"NOVA_JWT_PUBLIC_KEY_FILE": str(file)}), VirtualClock())
    assert source.algorithms == [algorithm]
    assert await source.key(None) == key.public_key()


@pytest.mark.parametrize("text", ["", "a public key", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"])
def test_a_file_that_is_no_key_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    file = tmp_path / "key.pem"
    file.write_text(text)
    with pytest.raises(SettingsError, match=r"NOVA_JWT_PUBLIC_KEY_FILE=.*key\.pem: must be the PEM"):
        key_source(load({"NOVA_JWT_PUBLIC_KEY_FILE": str(file)}), VirtualClock())


def test_a_key_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"NOVA_JWT_PUBLIC_KEY_FILE=.*absent\.pem: No such file"):
        key_source(load({"NOVA_JWT_PUBLIC_KEY_FILE": str(tmp_path / "absent.pem")}), VirtualClock())


@pytest.mark.parametrize("kid", [None, 5, ["a"]])
async def test_a_token_that_names_no_key_is_refused_without_asking_anybody(kid: str | None) -> None:
    with pytest.raises(UnauthorizedError, match="names no key"):
        await Jwks("https://issuer.example/jwks.json", VirtualClock()).key(kid)
