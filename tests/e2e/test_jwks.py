"""Row 38, through HTTP: whatever key ids strangers make up, and whether or not the issuer answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator

import httpx
import jwt
import pytest

from tests.e2e.test_auth_table import claims
from tests.issuer import Issuer
from tests.own_api import own_api
from tests.reader import FEED
from tests.stack import LocalStack

pytestmark = pytest.mark.e2e
WORKERS, FLOOD = 2, 300


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    made.publish("one")
    yield made
    made.close()


async def test_a_flood_of_unknown_keys_asks_the_issuer_once_a_process_and_users_are_served_without_it(
    stack: LocalStack, issuer: Issuer
) -> None:
    stranger = Issuer()
    stranger.publish("x")

    def bearer(by: Issuer, key: str, kid: str) -> dict[str, str]:
        return {"Authorization": "Bearer " + jwt.encode(claims(), by.keys[key], "EdDSA", headers={"kid": kid})}

    user = bearer(issuer, "one", "one")
    with own_api(stack, NOVA_JWT_SECRET="", NOVA_JWKS_URL=issuer.url, WORKER_CONCURRENCY=str(WORKERS)) as url:

        async def ask(headers: Iterable[dict[str, str]]) -> set[int]:
            """The statuses, over a connection of its own: so that both processes are asked."""
            async with httpx.AsyncClient(base_url=url, timeout=20) as http:
                return {(await http.get(FEED, headers=one)).status_code for one in headers}

        async def statuses(headers: list[dict[str, str]]) -> set[int]:
            return set[int]().union(*await asyncio.gather(*(ask(headers[i::8]) for i in range(8))))

        start = time.monotonic()
        assert await statuses([user] * 16) == {200}
        assert await statuses([bearer(stranger, "x", f"unknown-{i}") for i in range(FLOOD)]) == {401}
        assert await statuses([user] * 16) == {200}
        assert issuer.asked <= WORKERS
        issuer.close()
        assert await statuses([user] * 16) == {200}
        assert await statuses([bearer(stranger, "x", "other")]) == {401}
        assert time.monotonic() - start < 60, "else a second question is due"
    stranger.close()
