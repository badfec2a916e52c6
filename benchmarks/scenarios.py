"""Feeds under load: hits, misses, one miss alone, a crowd. Each gives a row of the table."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np

import ceiling
import fixed_rate
import wrk
from checks import FEED, wrong
from fixed_rate import Plan, Seen
from harness import percentiles
from serving import Served, cold, forget, served, uncached
from table import Row
from usage import cpu, memory_mib, per_1000
from viewers import Viewers, zipf

HOT = 1_000  # viewers whose first page is cached
WARM_TRIES, WARM_PER_S = 10, 500  # viewers a second, at first


@dataclass(slots=True)
class Bench:
    """One run: a stack, who asks, and how long each load lasts (seconds). ``best`` grows: requests/s by scenario."""

    home: Path
    read: dict[str, Any]
    viewers: Viewers
    folder: Path
    seconds: float
    best: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[dict[str, float]]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return str(self.read["api_url"])

    @property
    def workers(self) -> int:
        """API processes that answer (the last pid is their parent's)."""
        return max(1, len(self.read["pids"]["api"]) - 1)

    @property
    def tokens(self) -> Path:
        return self.viewers.write(self.folder / "tokens.txt")

    def plan(self, rate: float, connections: int, seconds: float, timeout_s: float = 10) -> Plan:
        """Requests of first pages at a fixed rate."""
        return Plan(self.url, FEED, str(self.tokens), "", rate, seconds, connections, timeout_s)


@dataclass(frozen=True, slots=True)
class Cost:
    """What the stack spent so far."""

    cpu: dict[str, float]
    pages: Served

    @classmethod
    async def now(cls, bench: Bench) -> Cost:
        return cls(cpu(bench.read), await served(bench.read))


def row(
    bench: Bench, name: str, ran: wrk.Ran, before: Cost, after: Cost, *,
    wrong: Sequence[str] = (), ceiling_per_s: float | None = None, notes: Mapping[str, Any] | None = None,
) -> Row:  # fmt: skip
    """A row of what a load generator saw, with what the stack says of the same time."""
    pages, memory = after.pages.since(before.pages), memory_mib(bench.read)
    told: dict[str, Any] = {"hit_rate": round(pages.hit_rate, 3), "by_source": pages.by_source, "memory_mib": memory}
    if pages.queries:
        told["clickhouse_queries_per_page"] = round(pages.queries / max(1, ran.requests), 3)
        told["clickhouse_rows_read_per_page"] = round(pages.rows_read / max(1, ran.requests))
    return Row(
        name, ran.per_s, ran.times, ran.errors, list(wrong), ceiling_per_s, sum(memory.values()),
        per_1000(before.cpu, after.cpu, ran.requests), told | dict(notes or {}),
    )  # fmt: skip


async def hits(bench: Bench) -> Row:
    """Every viewer's first page is cached, and the same load ran as long before, so that each process has in memory
    what it has in the long run; the ceiling is a bare application that writes one of these answers."""
    hot = bench.viewers.some(0, HOT)
    tokens = await warmed(bench, hot)
    await asyncio.to_thread(wrk.run, bench.url, tokens, connections=32, seconds=bench.seconds)
    before = await Cost.now(bench)
    ran = await asyncio.to_thread(wrk.run, bench.url, tokens, connections=32, seconds=bench.seconds)
    after = await Cost.now(bench)
    faults = await wrong(bench.read, hot)
    top = await asyncio.to_thread(bare_ceiling, bench, tokens)
    bench.best["hits"] = ran.per_s
    return row(bench, "hits, 32 connections", ran, before, after, wrong=faults, ceiling_per_s=top.per_s,
               notes={"ceiling": "the same bytes by a bare application", "ceiling_times": top.times})  # fmt: skip


async def warmed(bench: Bench, hot: Viewers) -> Path:
    """Ask for first pages until every viewer has had a list, or it takes too long; the file of their tokens."""
    tokens = hot.write(bench.folder / "hot.txt")
    for _ in range(WARM_TRIES):
        seconds = max(2.0, len(hot) / WARM_PER_S)
        await asyncio.to_thread(wrk.run, bench.url, tokens, connections=64, seconds=seconds, each=True)
        if await cold(bench.read, hot) == 0:
            break
    return tokens


def bare_ceiling(bench: Bench, tokens: Path) -> wrk.Ran:
    """A bare ASGI application of as many workers that writes a real answer, under the same load."""
    answer = httpx.get(bench.url + FEED, headers={"Authorization": f"Bearer {bench.viewers.tokens[0]}"}, timeout=10)
    body = bench.folder / "body.json"
    body.write_bytes(answer.raise_for_status().content)
    with ceiling.bare(body, bench.workers) as url:
        return wrk.run(url, tokens, connections=32, seconds=max(3, bench.seconds / 2))


async def misses(bench: Bench) -> Row:
    """Nobody's list is cached; the ceiling is ClickHouse answering the candidate queries alone, 64 viewers in each."""
    before = await Cost.now(bench)
    async with uncached(bench.read, bench.viewers):
        ran = await asyncio.to_thread(
            wrk.run, bench.url, bench.tokens, connections=64, seconds=bench.seconds, each=True
        )
    after = await Cost.now(bench)
    faults = await wrong(bench.read, bench.viewers)
    top = await ceiling.rankings(bench.read["clickhouse_url"], bench.viewers.ids, max(3, bench.seconds / 2))
    bench.best["misses"] = ran.per_s
    return row(bench, "misses, 64 connections", ran, before, after, wrong=faults, ceiling_per_s=top["per_s"],
               notes={"ceiling": f"{top['queries']} queries for {ceiling.TOGETHER} viewers"})  # fmt: skip


async def single(bench: Bench) -> Row:
    """One miss after the other, with a pause between: nothing else is asked of the system."""
    answers: list[int] = []
    answered = asyncio.Event()

    def note(_: fixed_rate.Connection, status: int) -> None:
        answers.append(status)
        answered.set()

    connection = await fixed_rate.connect(bench.url, note)
    before, took = await Cost.now(bench), []
    for i in range(round(bench.seconds * 10)):
        viewer = bench.viewers.some(len(bench.viewers) - 1 - i, 1)
        await forget(bench.read, viewer)
        await asyncio.sleep(0.03)
        start = time.perf_counter()
        answered.clear()
        connection.ask(fixed_rate.request_of(bench.url, FEED, viewer.tokens[0]), i, start + 10)
        try:
            async with asyncio.timeout(10):
                await answered.wait()
        except TimeoutError:
            connection.close()  # which notes it as lost
        took.append(time.perf_counter() - start)
    connection.close()
    after = await Cost.now(bench)
    errors = {str(status): answers.count(status) for status in {*answers} - {200}}
    ran = wrk.Ran(len(took), sum(took), percentiles(took), errors)
    return row(bench, "one miss alone", ran, before, after)


async def crowd(bench: Bench) -> list[Row]:
    """1,000 viewers, none of them cached: all at one moment, and asking again as soon as they are answered."""
    rows = []
    before = await Cost.now(bench)
    seen: list[Seen] = []
    for i in range(3):
        await forget(bench.read, bench.viewers)
        burst = bench.plan(rate=1e6, connections=1000, seconds=1e-3)  # 1,000 requests, due within a millisecond
        seen.append(
            await asyncio.to_thread(fixed_rate.run, burst, np.arange(i * 1000, (i + 1) * 1000) % len(bench.viewers))
        )
    after = await Cost.now(bench)
    rows.append(row(bench, "1,000 viewers at one moment", of_seen(seen), before, after))
    before = await Cost.now(bench)
    async with uncached(bench.read, bench.viewers):
        ran = await asyncio.to_thread(
            wrk.run, bench.url, bench.tokens, connections=1000, seconds=bench.seconds, each=True
        )
    after = await Cost.now(bench)
    rows.append(row(bench, "misses, 1,000 connections", ran, before, after))
    return rows


def of_seen(runs: list[Seen]) -> wrk.Ran:
    """Runs of a fixed rate, as wrk tells its own: the times are of what was answered with 200."""
    good = np.concatenate([run.of(200).seconds for run in runs])
    errors: dict[str, int] = {}
    for run in runs:
        for status, count in run.statuses().items():
            if status != "200":
                errors[status] = errors.get(status, 0) + count
    spent = sum(float((run.due + run.seconds).max()) for run in runs)
    return wrk.Ran(len(good), spent, percentiles(good.tolist() or [0.0]), errors)


async def curve(bench: Bench) -> None:
    """Latency against load: rising shares of the best rates that ``hits`` and ``misses`` saw."""
    seconds = max(2.0, bench.seconds / 3)
    for name in ("hits", "misses"):
        points = bench.curves[name] = []
        if name == "hits":
            await warmed(bench, bench.viewers.some(0, HOT))
        for share in (0.2, 0.4, 0.6, 0.8, 0.95):
            if name not in bench.best:
                continue
            plan = bench.plan(bench.best[name] * share, connections=128, seconds=seconds)
            if name == "hits":
                seen = await asyncio.to_thread(fixed_rate.run, plan, zipf(HOT, 100_000, 3))
            else:
                async with uncached(bench.read, bench.viewers):
                    seen = await asyncio.to_thread(fixed_rate.run, plan, np.arange(len(bench.viewers)))
            points.append({"asked_per_s": round(plan.rate), **percentiles(seen.seconds.tolist()),
                           "not_200": len(seen.seconds) - len(seen.of(200).seconds)})  # fmt: skip
