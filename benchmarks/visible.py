"""From an event to the feed: ``python benchmarks/visible.py [--rate 1000] [--probes 60] [--home .nova]``.

While events arrive at ``--rate``, a share is sent through ``POST /api/v1/events`` and looked for where it passes: in
ClickHouse, in the counters that the ranker reads, and in the feed of a viewer who polls it.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

import load
from harness import facts, new_home, nova, percentiles, report
from nova_feed.errors import NovaError
from nova_feed.store.client import Store

POLL_S, DEADLINE_S = 0.05, 60.0
_STORED = """
SELECT uniqExact(seq) AS n FROM recent_events
WHERE minute >= now() - INTERVAL 3 MINUTE AND post_id = {post:Int64} AND share = 1
"""
STAGES = ("accepted", "clickhouse", "counters", "feed")


async def until(check: Callable[[], Awaitable[bool]], start: float) -> float:
    """Seconds since ``start`` until it is so. Raises NovaError after a minute."""
    while time.monotonic() - start < DEADLINE_S:
        if await check():
            return time.monotonic() - start
        await asyncio.sleep(POLL_S)
    raise NovaError(f"an event is not visible after {DEADLINE_S:.0f} s")


async def probe(api: httpx.AsyncClient, store: Store, service: str) -> tuple[float, ...]:
    """One share of a post at the top of the viewer's feed; seconds until each stage shows it."""
    hot: list[dict[str, Any]] = []
    while not hot:  # a timeline may stand in for a moment
        page = (await api.get("/api/v1/feed", params={"limit": 20})).raise_for_status().json()
        # Not every post shown is a hot one: an affine author's older posts are counted less often.
        hot = [row for row in page["posts"] if {"followee", "trending"} & set(row["sources"])]
        await asyncio.sleep(0 if hot else 0.1)
    post = random.choice(hot)
    number, had, name = post["post_id"], post["shares"], f"probe-{uuid.uuid4()}"

    async def in_events() -> bool:
        rows = await store.sql(_STORED, post=number)
        return bool(rows["n"][0] > stored)

    async def in_counters() -> bool:
        rows = await store.sql("SELECT shares FROM hot_posts WHERE post_id = {post:Int64}", post=number)
        return bool((rows["shares"] > had).any())

    async def in_feed() -> bool:
        posts = (await api.get("/api/v1/feed", params={"limit": 100})).raise_for_status().json()["posts"]
        return any(row["post_id"] == number and row["shares"] > had for row in posts)

    stored = (await store.sql(_STORED, post=number))["n"][0]
    start = time.monotonic()
    event = {"events": [{"event_id": name, "post_id": number, "action": "share"}]}
    headers = {"Authorization": f"Bearer {service}"}
    while True:
        sent = await api.post("/api/v1/events", headers=headers, json=event)
        if sent.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        await asyncio.sleep(float(sent.headers["Retry-After"]))
    assert sent.raise_for_status().json()["accepted"] == 1
    accepted = time.monotonic() - start
    return accepted, *await asyncio.gather(until(in_events, start), until(in_counters, start), until(in_feed, start))


async def measure(home: Path, rate: float, probes: int) -> dict[str, Any]:
    """All probes under load."""
    read = facts(home)
    posts, users = await load.world(read["postgres_url"])
    service, store = load.service_token(home), Store(read["clickhouse_url"], name="nova benchmark", timeout_s=5)
    # The load is of other posts: what a probe waits for is its own share alone.
    headers = {"Authorization": f"Bearer {read['token']}"}
    async with httpx.AsyncClient(base_url=read["api_url"], headers=headers, timeout=10) as api:
        shown = {row["post_id"] for row in (await api.get("/api/v1/feed", params={"limit": 100})).json()["posts"]}
        others = [post for post in posts if post not in shown]
        told, began = load.Told(), time.monotonic()
        noise = asyncio.create_task(
            load.run(
                read["api_url"],
                service,
                load.Batches(others, users, 4),
                seconds=probes * 2.5 + 5,
                connections=32,
                rate=rate,
                told=told,
            )
        )
        await asyncio.sleep(3)
        found = []
        for _ in range(probes):
            found.append(await probe(api, store, service))
            await asyncio.sleep(random.uniform(0, 0.5))
        met = told.accepted / (time.monotonic() - began)
        noise.cancel()
        await asyncio.gather(noise, return_exceptions=True)
    await store.close()
    stages = {stage: percentiles([times[i] for times in found]) for i, stage in enumerate(STAGES)}
    return {"accepted_per_s": round(met), "failures": told.failures, "stages": stages}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, nargs="+", default=[1000.0, 10_000.0], help="events a second")
    parser.add_argument("--probes", type=int, default=60)
    parser.add_argument("--home", type=Path, help="a running stack; without it one is started and removed")
    options = parser.parse_args()
    results: dict[str, Any] = {}

    def all_rates(home: Path) -> None:
        for rate in options.rate:
            table = results[f"{rate:.0f} events/s"] = asyncio.run(measure(home, rate, options.probes))
            print(f"{options.probes} shares, {table['accepted_per_s']:,} events/s; looked every {POLL_S * 1000:.0f} ms")
            for stage, row in table["stages"].items():
                print(f"  POST -> {stage:10} " + "  ".join(f"{k[:-3].upper()} {v:7.1f} ms" for k, v in row.items()))

    if options.home:
        all_rates(options.home)
    else:
        with new_home() as home:
            nova("up", "--demo", "--detach", "--home", str(home))
            all_rates(home)
    report("visible", results)


if __name__ == "__main__":
    main()
