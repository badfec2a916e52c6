"""Keys from a real HTTP server: rotated, asked for at most once a minute, and kept when it is away."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from nova_feed.errors import UnauthorizedError
from nova_feed.serving.keys import Jwks
from tests.issuer import Issuer
from tests.unit.test_clock import VirtualClock

pytestmark = pytest.mark.contract


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    made.publish("one")
    yield made
    made.close()


async def test_a_key_is_fetched_once_and_then_known(issuer: Issuer) -> None:
    keys = Jwks(issuer.url, VirtualClock())
    assert await keys.key("one") == await keys.key("one") == issuer.keys["one"].public_key()
    assert issuer.asked == 1


async def test_a_flood_of_unknown_keys_asks_once_a_minute(issuer: Issuer) -> None:
    clock = VirtualClock()
    keys = Jwks(issuer.url, clock)
    for minute in (1, 2):
        for number in range(100):
            with pytest.raises(UnauthorizedError, match="not known"):
                await keys.key(f"unknown-{number}")
        assert issuer.asked == minute
        clock.pass_s(60)


async def test_a_new_key_is_found_and_an_old_one_forgotten_after_a_rotation(issuer: Issuer) -> None:
    clock = VirtualClock()
    keys = Jwks(issuer.url, clock)
    await keys.key("one")
    issuer.publish("two")
    clock.pass_s(60)
    assert await keys.key("two") == issuer.keys["two"].public_key()
    with pytest.raises(UnauthorizedError):
        await keys.key("one")


async def test_a_key_that_was_withdrawn_is_refused_after_an_hour(issuer: Issuer) -> None:
    clock = VirtualClock()
    keys = Jwks(issuer.url, clock)
    await keys.key("one")
    issuer.publish("two")
    clock.pass_s(3600)
    assert await keys.key("one") is not None
    clock.pass_s(1)
    with pytest.raises(UnauthorizedError):
        await keys.key("one")


@pytest.mark.parametrize(
    ("status", "body"), [(500, b""), (302, b""), (200, b"no json"), (200, b"[]"), (200, b'{"keys": 5}')]
)
async def test_known_keys_go_on_working_while_the_issuer_does_not(issuer: Issuer, status: int, body: bytes) -> None:
    clock = VirtualClock()
    keys = Jwks(issuer.url, clock)
    await keys.key("one")
    issuer.status, issuer.body = status, body
    clock.pass_s(60)
    with pytest.raises(UnauthorizedError):
        await keys.key("two")
    assert await keys.key("one") == issuer.keys["one"].public_key()
