"""Everything at once, for a while: events in, feeds out, posts written. Is it fast, fresh, complete, flat in memory?"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx
import numpy as np

import load
import visible
from checks import wrong
from fixed_rate import Running
from harness import nova, percentiles
from nova_feed.errors import NovaError
from nova_feed.store.client import Store
from nova_feed.stream.lag import group_lag
from scenarios import Bench, Cost, of_seen, row, warmed
from table import Row
from usage import memory_mib
from viewers import zipf

EVENTS_PER_S, READS_PER_S, POSTS_PER_S = 5_000, 2_000, 50
STEADY = 0.6  # the last part of the run, over which memory must be flat
EVERY_S = 5.0


@dataclass(slots=True)
class Watched:
    """Looked at every few seconds, from outside: (seconds, MiB by part), (seconds, records ClickHouse is behind)."""

    memory: list[tuple[float, dict[str, float]]] = field(default_factory=list)
    lag: list[tuple[float, int]] = field(default_factory=list)
    fresh: list[float] = field(default_factory=list)


async def mixed(bench: Bench, seconds: float) -> Row:
    """A row of the feeds read; everything else in its notes. Who reads has read before, within the last minutes."""
    posts, users = await load.world(bench.read["postgres_url"])
    service = load.service_token(bench.home)
    order = zipf(len(bench.viewers), round(READS_PER_S * seconds), 5)
    await warmed(bench, bench.viewers)
    watched, before = Watched(), await Cost.now(bench)
    reads = Running(bench.plan(READS_PER_S, connections=256, seconds=seconds), order)
    jobs = [asyncio.create_task(_watch(bench, watched)), asyncio.create_task(_probe(bench, watched, service))]
    told, written, seen = await asyncio.gather(
        load.run(bench.url, service, load.Batches(posts, users, 6), seconds=seconds, connections=16, rate=EVENTS_PER_S),
        _write(bench, seconds), asyncio.to_thread(reads.wait),
    )  # fmt: skip
    after = await Cost.now(bench)
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    ledger = json.loads(
        await asyncio.to_thread(nova, "events", "verify", "--wait", "--json", "--home", str(bench.home))
    )
    notes = {
        "seconds": seconds, "events_per_s": round(told.accepted / seconds), "event_failures": told.failures,
        "event_post": percentiles(told.seconds), "posts_per_s": round(written / seconds, 1),
        "viewers_active_within_a_minute": active_within(order, READS_PER_S, 60.0),
        "freshness": percentiles(watched.fresh or [0.0]) | {"probes": len(watched.fresh)},
        "lag_s": max((records / EVENTS_PER_S for _, records in watched.lag), default=0.0), "ledger": ledger,
        "memory_slope_mib_per_min": slopes(watched.memory, seconds),
    }  # fmt: skip
    return row(bench, f"mixed, {READS_PER_S:,} reads/s", of_seen([seen]), before, after,
               wrong=await wrong(bench.read, bench.viewers) + _unkept(ledger), notes=notes)  # fmt: skip


def _unkept(ledger: dict[str, Any]) -> list[str]:
    return [] if ledger["adds_up"] else [f"the ledger does not add up: {ledger}"]


async def _write(bench: Bench, seconds: float) -> int:
    """Posts, one INSERT each, at their rate; returns how many."""
    start, written = time.monotonic(), 0
    connection = await asyncpg.connect(bench.read["postgres_url"])
    try:
        while (due := start + written / POSTS_PER_S) < start + seconds:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            author = bench.viewers.ids[written * 7919 % len(bench.viewers)]
            await connection.execute("INSERT INTO posts (author_id, body) VALUES ($1, 'mixed load')", author)
            written += 1
    finally:
        await connection.close()
    return written


async def _watch(bench: Bench, watched: Watched) -> None:
    start = time.monotonic()
    while True:
        memory, lag = await asyncio.gather(
            asyncio.to_thread(memory_mib, bench.read),
            asyncio.to_thread(group_lag, bench.read["kafka_brokers"], "events_group"),
        )
        watched.memory.append((time.monotonic() - start, memory))
        watched.lag.append((time.monotonic() - start, lag))
        await asyncio.sleep(EVERY_S)


async def _probe(bench: Bench, watched: Watched, service: str) -> None:
    """Shares of a post at the top of one viewer's feed, one after the other: how long until that feed shows each."""
    headers = {"Authorization": f"Bearer {bench.read['token']}"}
    store = Store(bench.read["clickhouse_url"], name="nova benchmark", timeout_s=5)
    try:
        async with httpx.AsyncClient(base_url=bench.url, headers=headers, timeout=10) as api:
            while True:
                try:
                    watched.fresh.append((await visible.probe(api, store, service))[-1])
                except (NovaError, httpx.HTTPError, IndexError):  # IndexError: a feed without a ranked post to share
                    watched.fresh.append(visible.DEADLINE_S)
                await asyncio.sleep(1)
    finally:
        await store.close()


def active_within(order: np.ndarray[Any, np.dtype[np.int64]], rate: float, window_s: float) -> float:
    """Of the reads after the first window: the share by viewers who had read within ``window_s`` before."""
    window, again = round(rate * window_s), 0
    last: dict[int, int] = {}
    late = max(0, len(order) - window)
    for i, viewer in enumerate(order.tolist()):
        if i >= window and i - last.get(viewer, -window - 1) <= window:
            again += 1
        last[viewer] = i
    return round(again / late, 3) if late else 0.0


def slopes(samples: list[tuple[float, dict[str, float]]], seconds: float) -> dict[str, Any]:
    """MiB a minute by part and of all, by least squares over the last part of the run, with two standard errors."""
    steady = [(at, memory) for at, memory in samples if at >= seconds * (1 - STEADY)]
    if len(steady) < 4:
        return {}
    minutes = np.array([at for at, _ in steady]) / 60
    parts = {part: np.array([memory[part] for _, memory in steady]) for part in steady[0][1]}
    parts["all"] = np.sum(list(parts.values()), axis=0)
    return {part: _slope(minutes, values) for part, values in parts.items()}


def _slope(
    minutes: np.ndarray[Any, np.dtype[np.float64]], values: np.ndarray[Any, np.dtype[np.float64]]
) -> dict[str, float]:
    (slope, _), covariance = np.polyfit(minutes, values, 1, cov=True)
    return {"slope": round(float(slope), 2), "two_errors": round(2 * float(np.sqrt(covariance[0, 0])), 2)}
