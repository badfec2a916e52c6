"""Spent limits in a real Valkey, by its own clock, and in what unit tests take for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import redis.asyncio as redis

from nova_feed.cache.backlogs import MOST_WINDOWS, Backlogs
from nova_feed.cache.keys import LIMIT
from nova_feed.cache.lists import ListCache
from nova_feed.clock import SystemClock
from nova_feed.errors import StoreUnavailableError
from nova_feed.local.ports import free_port
from nova_feed.local.valkey import Valkey
from nova_feed.serving.gcra import Quota
from nova_feed.serving.limiter import Limiter
from tests.caches import BacklogsInMemory
from tests.waiting import eventually

pytestmark = pytest.mark.contract
WINDOW = 60.0
SOON = 0.5  # what may pass between two calls of a test


@pytest.fixture
async def client(valkey: Valkey) -> AsyncIterator[redis.Redis]:
    connected = ListCache.connect(valkey.url)
    await connected.client.flushdb()
    yield connected.client
    await connected.close()


@pytest.fixture(params=["valkey", "memory"])
def backlogs(request: pytest.FixtureRequest, client: redis.Redis) -> Backlogs:
    return Backlogs(client) if request.param == "valkey" else BacklogsInMemory(SystemClock())


async def test_what_is_spent_adds_up_and_is_earned_back_second_by_second(backlogs: Backlogs) -> None:
    assert await backlogs.spend("reads", "7", 10, WINDOW) == pytest.approx(10, abs=SOON)
    assert await backlogs.spend("reads", "7", 5.5, WINDOW) == pytest.approx(15.5, abs=SOON)
    start = time.monotonic()

    async def earned() -> bool:
        left = await backlogs.spend("reads", "7", 0, WINDOW)
        assert left == pytest.approx(15.5 - (time.monotonic() - start), abs=SOON)
        return time.monotonic() - start > 0.3

    await eventually(earned, 5)


async def test_what_was_earned_long_ago_is_no_credit(backlogs: Backlogs) -> None:
    await backlogs.spend("reads", "7", 0.01, WINDOW)

    async def gone() -> bool:
        return await backlogs.spend("reads", "7", 0, WINDOW) == 0

    await eventually(gone, 5)
    assert await backlogs.spend("reads", "7", 3, WINDOW) == pytest.approx(3, abs=0.001)


async def test_each_caller_and_each_limit_has_its_own(backlogs: Backlogs) -> None:
    await backlogs.spend("reads", "7", 50, WINDOW)
    assert await backlogs.spend("reads", "8", 1, WINDOW) == pytest.approx(1, abs=SOON)
    assert await backlogs.spend("events", "7", 2, WINDOW) == pytest.approx(2, abs=SOON)


async def test_a_debt_is_never_more_than_half_a_window(backlogs: Backlogs) -> None:
    for _ in range(5):
        backlog = await backlogs.spend("reads", "7", 40, WINDOW)
    assert backlog == pytest.approx(WINDOW * MOST_WINDOWS, abs=SOON)


async def test_many_processes_at_once_lose_nothing(valkey: Valkey, client: redis.Redis) -> None:
    caches = [ListCache.connect(valkey.url) for _ in range(4)]
    await asyncio.gather(*(Backlogs(caches[i % 4].client).spend("reads", "7", 0.5, WINDOW) for i in range(60)))
    assert await Backlogs(client).spend("reads", "7", 0, WINDOW) == pytest.approx(30, abs=SOON)
    for cache in caches:
        await cache.close()


async def test_a_key_lives_as_long_as_there_is_something_to_earn_back(client: redis.Redis) -> None:
    await Backlogs(client).spend("reads", "7", 12, WINDOW)
    assert 11_000 < await client.pttl(LIMIT.of("reads", "7")) <= 12_000
    await Backlogs(client).spend("reads", "8", 0, WINDOW)
    assert not await client.exists(LIMIT.of("reads", "8"))
    await Backlogs(client).spend("reads", "9", 9e9, WINDOW)
    assert await client.ttl(LIMIT.of("reads", "9")) <= LIMIT.ttl_s


async def test_a_clock_that_went_back_an_hour_locks_nobody_out_for_more_than_half_a_window(client: redis.Redis) -> None:
    await client.set(LIMIT.of("reads", "7"), round((time.time() + 3600) * 1e6), px=3_600_000)
    assert await Backlogs(client).spend("reads", "7", 1, WINDOW) <= WINDOW * MOST_WINDOWS
    assert await client.ttl(LIMIT.of("reads", "7")) <= LIMIT.ttl_s


async def test_a_server_that_forgot_the_script_is_given_it_again(client: redis.Redis) -> None:
    backlogs = Backlogs(client)
    await backlogs.spend("reads", "7", 1, WINDOW)
    await client.script_flush()
    assert await backlogs.spend("reads", "7", 1, WINDOW) == pytest.approx(2, abs=SOON)


async def test_a_valkey_that_is_away_says_so() -> None:
    gone = ListCache.connect(f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(StoreUnavailableError, match="valkey"):
        await Backlogs(gone.client).spend("reads", "7", 1, WINDOW)


async def test_four_limiters_over_one_valkey_keep_the_limit_within_two_chunks_each(valkey: Valkey) -> None:
    quota = Quota(600)
    caches = [ListCache.connect(valkey.url) for _ in range(4)]
    four = [Limiter("four", quota, Backlogs(cache.client).spend, SystemClock()) for cache in caches]
    start = time.monotonic()
    verdicts = await asyncio.gather(*(four[i % 4].take("7") for i in range(4_000)))
    earned = (time.monotonic() - start) / quota.interval_s
    allowed = sum(verdict.allowed for verdict in verdicts)
    print(f"allowed {allowed} of 4000 at once; quota {quota.units}, earned meanwhile {earned:.1f}")
    assert quota.units - 4 * 2 * quota.chunk <= allowed <= quota.units + earned + 4 * 2 * quota.chunk
    for cache in caches:
        await cache.close()
