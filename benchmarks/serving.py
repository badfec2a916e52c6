"""What the stack says of itself while it is loaded, and how its caches are emptied from outside."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import redis.asyncio as redis
from prometheus_client.parser import text_string_to_metric_families

from nova_feed.cache.keys import FEED, LAST
from nova_feed.store.client import COMMAND, SQL, VERSION
from nova_feed.store.client import read as query_text
from nova_feed.stream.lag import group_lag
from nova_feed.workers.levels import GROUPS
from viewers import Viewers

EVERY_S = 1.0
AT_A_TIME = 1000
AT_REST = 200  # records that are always on their way: the canary, heartbeats


@dataclass(frozen=True, slots=True)
class Served:
    """Feed pages so far, by where they came from; ClickHouse queries of rankings so far, and rows that those
    read (of the latest 20,000 queries, as the embedded server remembers them)."""

    by_source: dict[str, float]
    queries: float
    rows_read: float

    def since(self, before: Served) -> Served:
        """What came after ``before``."""
        sources = {name: count - before.by_source.get(name, 0) for name, count in self.by_source.items()}
        return Served(
            {name: count for name, count in sources.items() if count},
            self.queries - before.queries, self.rows_read - before.rows_read,
        )  # fmt: skip

    @property
    def hit_rate(self) -> float:
        """The share of pages that were cut from a cached list."""
        return self.by_source.get("cached", 0) / max(1.0, sum(self.by_source.values()))


async def served(read: dict[str, Any]) -> Served:
    """The API's own counters, of all its processes."""
    async with httpx.AsyncClient(timeout=10) as client:
        text = (await client.get(f"{read['api_url']}/metrics")).raise_for_status().text
        asked = await client.get(httpx.URL(read["clickhouse_url"]).copy_with(path="/queries"))
    rows = (
        [row["count"] * row["read_rows"] for row in asked.json() if _of_a_ranking(row["text"])]
        if asked.is_success
        else []
    )
    sources: dict[str, float] = {}
    queries = 0.0
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == "nova_feed_feed_requests_total":
                sources[sample.labels["source"]] = sources.get(sample.labels["source"], 0) + sample.value
            elif sample.name == "nova_feed_ch_query_duration_seconds_count" and _ranks(sample.labels["query"]):
                queries += sample.value
    return Served(sources, queries, sum(rows))


def _ranks(query: str) -> bool:
    return query not in {SQL, COMMAND, VERSION} and _of_a_ranking(query_text(query))


def _of_a_ranking(text: str) -> bool:
    return "{viewers" in text or "{authors:Array(Int64)} OR" in text


async def forget(read: dict[str, Any], viewers: Viewers) -> None:
    """No list answers these viewers' first pages."""
    client = redis.Redis.from_url(read["redis_url"])
    try:
        await _forget(client, viewers)
    finally:
        await client.aclose()


async def settled(read: dict[str, Any], deadline_s: float = 900) -> dict[str, float]:
    """Wait until every consumer group has read what was loaded (of a million follows it forgets lists for minutes).

    Tells the seconds it took, and what is left past the deadline.
    """
    start = time.monotonic()
    while True:
        lags = [await asyncio.to_thread(group_lag, read["kafka_brokers"], group) for group in GROUPS]
        if sum(lags) <= AT_REST or time.monotonic() - start > deadline_s:
            return {"waited_s": round(time.monotonic() - start, 1), "records_left": sum(lags)}
        await asyncio.sleep(1)


async def cold(read: dict[str, Any], viewers: Viewers) -> int:
    """How many of these viewers have no list that would answer a first page, or would if a new one took long."""
    client = redis.Redis.from_url(read["redis_url"])
    try:
        return (await client.mget([LAST.of(viewer) for viewer in viewers.ids])).count(None)
    finally:
        await client.aclose()


async def _forget(client: redis.Redis, viewers: Viewers) -> None:
    for start in range(0, len(viewers), AT_A_TIME):
        some = viewers.ids[start : start + AT_A_TIME]
        await client.unlink(*(key.of(viewer) for viewer in some for key in (FEED, LAST)))


@contextlib.asynccontextmanager
async def uncached(read: dict[str, Any], viewers: Viewers) -> AsyncIterator[None]:
    """While it lasts, a list that was made is forgotten within a second; a viewer who asks again is ranked anew."""
    client, over = redis.Redis.from_url(read["redis_url"]), asyncio.Event()

    async def again() -> None:
        while not over.is_set():
            await _forget(client, viewers)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), EVERY_S)

    await _forget(client, viewers)
    task = asyncio.create_task(again())
    try:
        yield
    finally:
        over.set()  # not cancelled: once in many runs a cancelled command of Valkey's client went on for ever
        await asyncio.gather(task, return_exceptions=True)
        await client.aclose()
