"""A PostgreSQL that neither answers nor refuses is given up in time, and then left alone for a moment."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator

import asyncpg
import pytest

from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.breaker import OPEN
from nova_feed.feed.rules import POSTGRES_OPEN_S, Rules
from nova_feed.feed.timeline import Timeline
from nova_feed.store.client import Store
from tests.unit.test_clock import VirtualClock

pytestmark = pytest.mark.integration
SOON_S = 2.0
FAILURES = 3


@pytest.fixture
async def hangs(postgres_dsn: str) -> AsyncIterator[None]:
    """Whoever reads posts or blocks waits for as long as this lasts."""
    connection = await asyncpg.connect(postgres_dsn, timeout=10)
    async with connection.transaction():
        await connection.execute("LOCK TABLE posts, follows, blocks IN ACCESS EXCLUSIVE MODE")
        yield
    await connection.close()


@pytest.mark.usefixtures("hangs")
async def test_a_timeline_that_does_not_come_is_not_waited_for(pool: asyncpg.Pool) -> None:
    began = time.monotonic()
    with pytest.raises(StoreUnavailableError, match="postgres"):
        await Timeline(pool).propose(1)
    assert time.monotonic() - began < SOON_S


@pytest.mark.usefixtures("hangs")
async def test_rules_are_asked_elsewhere_at_once_after_three_that_did_not_come_and_here_again_after_a_second(
    pool: asyncpg.Pool, nowhere: Store
) -> None:
    clock = VirtualClock()
    rules = Rules(pool, nowhere, clock)
    for _ in range(FAILURES):
        with pytest.raises(StoreUnavailableError, match="clickhouse"):
            await rules.read(1, [1], [2])
    assert rules.postgres.state == OPEN
    assert await rules.newer(1, 0) is None
    clock.pass_s(POSTGRES_OPEN_S)
    assert rules.postgres.state != OPEN


async def test_rules_that_have_to_wait_for_a_connection_do_not_mean_that_postgresql_is_away(
    pool: asyncpg.Pool, nowhere: Store
) -> None:
    rules = Rules(pool, nowhere, VirtualClock())
    async with pool.acquire(), pool.acquire():
        for _ in range(FAILURES):
            with pytest.raises(StoreUnavailableError, match="clickhouse"):
                await rules.read(1, [1], [2])
    assert rules.postgres.state != OPEN
    assert (await rules.read(1, [1], [2])).existing == frozenset()
