"""Row 28: Valkey has no memory left: first it makes room as the product sets it up, then it refuses every write."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import redis.asyncio as redis

from tests.faults.bench import Bench, hold

pytestmark = pytest.mark.faults
SOON_S = 2.5
SMALL, NOTHING = 8 << 20, 1 << 20  # bytes; Valkey itself takes more than the latter
ASK = ("maxmemory", "maxmemory-policy")


async def test_a_full_valkey_is_as_good_as_none_and_nobody_sees_its_errors(bench: Bench) -> None:
    async with bench.row(28, "maxmemory of Valkey reached") as line:
        async with bench.flowing(line) as load, bench.watch() as watch, bench.valkey() as valkey:
            breakers = bench.breakers()
            async with _as_it_was(valkey) as policy:
                with watch.fault():
                    await valkey.config_set("maxmemory", SMALL)
                    await hold(bench.of(5, 30))
                    evicted = (await valkey.info("stats"))["evicted_keys"]
                    await valkey.config_set("maxmemory-policy", "noeviction")
                    await valkey.config_set("maxmemory", NOTHING)
                    await hold(bench.of(6, 30))
                    refused = (await valkey.info("errorstats")).get("errorstat_OOM", {}).get("count", 0)
            at = time.monotonic()
            await bench.normal(line, at)
            await watch.back()
        line.add(f"{policy} with {SMALL >> 20} MiB: {evicted:,} keys evicted; noeviction: {refused:,} writes refused")
        line.add(breakers.told("valkey"))
        await bench.judge(line, load)
        assert not load.bad(), load.cuts()
        assert refused
        errors = [look for look in watch.looks if look.status == 0 or look.status >= 500]
        assert not errors, errors[:3]
        bench.served(line, watch, "clickhouse", within_s=SOON_S)  # which has more to do then


@asynccontextmanager
async def _as_it_was(valkey: redis.Redis) -> AsyncIterator[str]:
    """Its memory and its policy are given back; the policy."""
    before = {name: str(value) for name, value in (await valkey.config_get(*ASK)).items()}
    try:
        yield before["maxmemory-policy"]
    finally:
        for name in ASK:  # the room first
            await valkey.config_set(name, before[name])
