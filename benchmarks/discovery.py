"""Trending and suggested users: ``python benchmarks/discovery.py [--requests 300] [--home .nova]``.

Cached, and over HTTP: one request after the other, by many viewers. Uncached: suggestions over HTTP, by viewers whose
list was just removed from Valkey; trending in this process, the list removed from Valkey and no copy kept, because the
API processes keep theirs for seconds. Last, what each query reads from ClickHouse.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import redis.asyncio as redis

from harness import facts, new_home, nova, percentiles, report
from nova_feed import bootstrap
from nova_feed import settings as settings_module
from nova_feed.cache.keys import SUGGESTED, TRENDING
from nova_feed.clock import SystemClock
from nova_feed.feed.suggestions import TOGETHER
from nova_feed.feed.trending import WINDOWS
from nova_feed.local.secrets import Secrets
from nova_feed.serving.auth import mint
from nova_feed.store.client import read

TRENDING_URL, SUGGESTED_URL = "/api/v1/feed/trending", "/api/v1/discover/suggested-users"
PEOPLE = 1_000


async def measure(home: Path, requests: int) -> dict[str, Any]:
    """Milliseconds per kind of answer, and rows per query."""
    here = facts(home)
    valkey = redis.Redis.from_url(here["redis_url"])
    async with httpx.AsyncClient(base_url=here["api_url"], timeout=10) as api:
        for viewer in range(1, 21):  # connections, verified tokens, prepared statements
            await _get(api, home, viewer, TRENDING_URL, window="1h")
            await _get(api, home, viewer, SUGGESTED_URL)
        found: dict[str, Any] = {}
        for window in WINDOWS:
            found[f"trending {window}, cached"] = await _times(
                requests, lambda i, w=window: _get(api, home, 1 + i % PEOPLE, TRENDING_URL, window=w)
            )
        found |= await _trending_uncached(here, valkey, max(10, requests // 10))
        found["suggestions, uncached"] = await _times(
            requests,
            lambda i: _get(api, home, 1 + i % PEOPLE, SUGGESTED_URL),
            lambda i: valkey.unlink(SUGGESTED.of(1 + i % PEOPLE)),
        )
        found["suggestions, cached"] = await _times(
            requests, lambda i: _get(api, home, 1 + i % min(requests, PEOPLE), SUGGESTED_URL)
        )
    await valkey.aclose()
    return {"times": found, "queries": await _rows_read(here)}


async def _times(
    count: int, ask: Callable[[int], Awaitable[Any]], before: Callable[[int], Awaitable[Any]] | None = None
) -> dict[str, float]:
    seconds = []
    for i in range(count):
        if before:
            await before(i)
        start = time.perf_counter()
        await ask(i)
        seconds.append(time.perf_counter() - start)
    return percentiles(seconds)


async def _get(api: httpx.AsyncClient, home: Path, viewer: int, path: str, **parameters: str) -> None:
    answer = await api.get(path, params=parameters, headers={"Authorization": f"Bearer {_token(home, viewer)}"})
    answer.raise_for_status()
    if answer.json()["fallback"]:
        raise SystemExit(f"a fallback answered: {answer.json()['reason']}")


_TOKENS: dict[int, str] = {}


def _token(home: Path, viewer: int) -> str:
    if viewer not in _TOKENS:
        _TOKENS[viewer] = mint(
            Secrets(home / "secrets.json").jwt, viewer, issuer="nova-feed", audience="nova-feed",
            now_ms=SystemClock().now_ms(), life_s=7200,
        )  # fmt: skip
    return _TOKENS[viewer]


async def _trending_uncached(here: dict[str, Any], valkey: redis.Redis, count: int) -> dict[str, dict[str, float]]:
    settings = settings_module.load({
        "POSTGRES_URL": here["postgres_url"], "CLICKHOUSE_URL": here["clickhouse_url"],
        "REDIS_URL": here["redis_url"], "KAFKA_BROKERS": here["kafka_brokers"],
    })  # fmt: skip
    found = {}
    async with bootstrap.open_clients(settings, "nova benchmark") as clients:
        await bootstrap.trending(clients, SystemClock()).page(1, "1h", 50)
        for window in WINDOWS:
            found[f"trending {window}, uncached"] = await _times(
                count,
                lambda i, w=window: bootstrap.trending(clients, SystemClock()).page(1 + i % PEOPLE, w, 50),
                lambda _, w=window: valkey.unlink(TRENDING.of(w)),
            )
    return found


async def _rows_read(here: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Rows that each query reads from tables, and its milliseconds, the least of five."""
    queries: dict[str, tuple[str, dict[str, Any]]] = {
        f"engaged, {window}": ("engaged", {"window_s": seconds}) for window, seconds in WINDOWS.items()
    }
    for many in (1, TOGETHER):
        queries[f"suggestions, {many} viewers"] = ("suggestions", {"viewers": list(range(101, 101 + many))})
    queries |= {"popular": ("popular", {}), "people, 100": ("people", {"viewer": 1, "people": list(range(1, 101))})}
    at = httpx.URL(here["clickhouse_url"])
    user = {"auth": (at.username, at.password)} if at.username else {}
    base = at.copy_with(username=None, password=None, path="/")
    found = {}
    async with httpx.AsyncClient(base_url=base, timeout=30, **user) as server:  # type: ignore[arg-type]
        for name, (query, values) in queries.items():
            parameters = {
                "database": at.path.strip("/"),
                **{f"param_{key}": str(value) for key, value in values.items()},
            }
            answers = [
                (await server.post("/", params=parameters, content=read(query))).raise_for_status() for _ in range(5)
            ]
            told = [json.loads(answer.headers["X-ClickHouse-Summary"]) for answer in answers]
            found[name] = {
                "rows": int(told[0]["read_rows"]),
                "ms": round(min(int(summary["elapsed_ns"]) for summary in told) / 1e6, 1),
            }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=300)
    parser.add_argument("--home", type=Path, help="a running stack; without it one is started and removed")
    options = parser.parse_args()
    if options.home:
        found = asyncio.run(measure(options.home, options.requests))
    else:
        with new_home() as home:
            nova("up", "--demo", "--detach", "--home", str(home))
            found = asyncio.run(measure(home, options.requests))
    for name, row in found["times"].items():
        print(f"{name:26}" + "  ".join(f"{key[:-3].upper()} {value:7.1f} ms" for key, value in row.items()))
    for name, row in found["queries"].items():
        print(f"{name:26}{row['rows']:>10} rows read  {row['ms']:7.1f} ms")
    report("discovery", {"requests": options.requests, **found})


if __name__ == "__main__":
    main()
