"""What every row needs: a load with a history, a watch on the feed, what normal means, and the checker's verdict."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TypeVar

import asyncpg
import httpx
import pytest

from nova_feed.errors import StoreUnavailableError
from nova_feed.store.client import Store
from nova_feed.stream.lag import group_lag
from tests.app import App
from tests.faults import visible
from tests.faults.checker import Verdict
from tests.faults.load import EVENTS, Load, World
from tests.faults.nemesis import runs
from tests.faults.report import Line, Report
from tests.faults.watch import FEED, Watch
from tests.stack import LocalStack, bearer
from tests.waiting import eventually

SERVICE = 1
ENOUGH = 1_000.0  # events a second, under which every fault happens
NORMAL_S = 90.0
SETTLED_S = 120.0
SLOW_S = 5.0
_TROUBLE = """
SELECT concat(table, ': ', arrayStringConcat(arrayMap(text -> substring(text, 1, 600), arrayDistinct(exceptions.text)),
    ' | ')) AS told
FROM system.kafka_consumers WHERE notEmpty(exceptions.text)
"""
T = TypeVar("T")
_AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, httpx.TransportError,
         StoreUnavailableError)  # fmt: skip


class Bench:
    """The stack under test. ``full`` is the long form of every row."""

    def __init__(self, stack: LocalStack, store: Store, report: Report, *, full: bool) -> None:
        self.stack, self.store, self.report, self.full = stack, store, report, full

    def of(self, short: float, full: float) -> float:
        """A length, by the form of the run."""
        return full if self.full else short

    def pid(self, part: str) -> int:
        """The one process of a part."""
        pid = self.stack.pid(part)
        assert isinstance(pid, int), f"{part}: {pid}"
        return pid

    def api_pids(self) -> list[int]:
        """The processes that answer requests, then the one that supervises them."""
        pids = self.stack.pid("api")
        assert isinstance(pids, list)
        return pids

    async def lag(self, group: str = "events_group") -> int:
        """Records the group has still to read."""
        return await asyncio.to_thread(group_lag, self.stack.facts["kafka_brokers"], group, 10)

    async def clickhouse_answers(self) -> bool:
        """Whether ClickHouse answers a query now."""
        return bool(await _or_none(self.store.version()))

    @asynccontextmanager
    async def row(self, number: int, name: str) -> AsyncIterator[Line]:
        """A line of the report: passed when its block ends well; a row that fails leaves its reason."""
        line = Line(number, name)
        self.report.lines.append(line)
        try:
            yield line
        except pytest.skip.Exception as skipped:
            line.passed = None
            line.add(str(skipped))
            raise
        except BaseException as error:
            line.add((str(error) or type(error).__name__).splitlines()[0][:300])
            raise
        line.passed = True

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """The app's own connection."""
        connection = await asyncpg.connect(self.stack.facts["postgres_url"], timeout=10)
        try:
            yield connection
        finally:
            await connection.close(timeout=5)

    async def world(self, authors: int = 4, posts: int = 24) -> World:
        """New authors with new posts, about which nobody has sent anything."""
        async with self.connection() as connection:
            app = App(connection)
            people = [await app.person() for _ in range(authors)]
            made = [(await app.post(people[i % authors]), people[i % authors]) for i in range(posts)]
        return World(people, made, range(1, 200))

    async def load(self, rate: float = 1_500) -> Load:
        """A load that is not yet running."""
        facts = self.stack.facts
        return Load(facts["api_url"], self.stack.token(SERVICE, "service"), await self.world(), rate)

    @asynccontextmanager
    async def flowing(self, line: Line, rate: float = 1_500, seconds: float = 2.0) -> AsyncIterator[Load]:
        """A load that runs, and has shown for some seconds that the stack takes 1,000 events a second and more."""
        async with await self.load(rate) as load:

            async def flows() -> float:
                since = time.monotonic()
                await hold(seconds)
                found = load.per_second(since, time.monotonic())
                return found if found >= ENOUGH else 0.0

            line.add(f"{await eventually(flows, 30):,.0f} events/s before the fault")
            yield load

    def watch(self) -> Watch:
        """A reader beside whatever happens."""
        viewer = self.stack.facts["user_id"]
        return Watch(self.stack.facts["api_url"], bearer(self.stack, viewer))

    def client(self, timeout: float = 5) -> httpx.AsyncClient:
        """A client of the API, without a token."""
        return httpx.AsyncClient(base_url=self.stack.facts["api_url"], timeout=timeout)

    async def normal(self, line: Line, since: float) -> None:
        """Wait until all is as before: all parts run, an event and a post arrive, the feed is ranked."""
        await eventually(lambda: as_coroutine(self._all_run()), NORMAL_S)
        world = await eventually(lambda: _or_none(self.world(1, 1)), NORMAL_S)
        [(post, _)] = world.posts
        async with self.client() as http:
            await eventually(lambda: _or_none(self._sent(http, post)), NORMAL_S)
            try:
                await eventually(lambda: _or_none(self._arrived(post)), NORMAL_S)
            except AssertionError as error:
                raise AssertionError(f"nothing arrives: {await self._why()}") from error
            await eventually(lambda: _or_none(self._ranked(http)), NORMAL_S)
        line.seconds_to_normal = round(time.monotonic() - since, 1)

    def _all_run(self) -> bool:
        pids = self.stack.facts["pids"]
        flat = [pid for part in pids.values() for pid in (part if isinstance(part, list) else [part])]
        parts = {"postgres", "kafka", "connect", "clickhouse", "valkey", "api", "worker"}
        return pids.keys() >= parts and len(pids["api"]) >= 3 and all(runs(pid) for pid in flat)

    async def _sent(self, http: httpx.AsyncClient, post: int) -> bool:
        event = {"event_id": str(uuid.uuid4()), "post_id": post, "action": "view"}
        answer = await http.post(EVENTS, json={"events": [event]}, headers=bearer(self.stack, SERVICE))
        return answer.status_code == 202

    async def _arrived(self, post: int) -> bool:
        posts = await visible.ids_of(self.store, "posts", "id", [post])
        return bool(posts) and await visible.count_of(self.store, [post]) > 0

    async def _ranked(self, http: httpx.AsyncClient) -> bool:
        answer = await http.get(FEED, headers=bearer(self.stack, self.stack.facts["user_id"]))
        return answer.status_code == 200 and not answer.json()["fallback"]

    async def verdict(self, line: Line, load: Load) -> Verdict:
        """What the checker says once everything has arrived; its last word when it never does."""
        await load.stop()
        began, last, world = time.monotonic(), Verdict(), load.world
        while True:
            try:
                found = load.history.judge(await visible.events_of(self.store, world.post_ids, world.authors))
            except StoreUnavailableError as error:
                found = Verdict(lost=(str(error),))
            waited = time.monotonic() - began
            if found.good or waited > SETTLED_S:
                late = f" (the last to come: {str(last)[:160]})" if waited > SLOW_S else ""
                line.add(f"all visible after {waited:.1f} s{late}")
                return found if found.good else replace(found, lost=(*found.lost, *await self._why()))
            last = found
            await asyncio.sleep(0.5)

    async def _why(self) -> tuple[str, ...]:
        """What keeps the consumers back, as far as they know."""
        told = [f"lag of {group}: {await self.lag(group)}" for group in ("events_group", "nova_cdc")]
        rows = await self.store.sql(_TROUBLE)
        return (*told, *(str(text) for text in rows["told"]))

    async def judge(self, line: Line, load: Load, more: Verdict | None = None) -> Verdict:
        """The verdict, into the report. Raises AssertionError unless all is well and the product's ledger agrees."""
        events = await self.verdict(line, load)
        found = events + (more or Verdict())
        line.lost, line.duplicate, line.phantom = len(found.lost), len(found.duplicate), len(found.phantom)
        line.add(f"{len(load.history):,} events sent, {load.history.count('unknown'):,} of them again")
        line.add(f"{found.received_again:,} duplicates received" if found.received_again else "")
        assert found.good, str(found)
        assert not load.history.may, f"{len(load.history.may)} events were never answered"
        await self.ledger_adds_up()
        return found

    async def ledger_adds_up(self) -> None:
        """``nova events verify``: the product's own account of the same."""
        done = await asyncio.to_thread(self.stack.nova, "events", "verify", "--wait", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        told = json.loads(done.stdout)
        assert told["pending"] == 0, told


async def hold(seconds: float) -> None:
    """How long a fault or a load lasts: a figure of the test, no waiting for something to happen."""
    await asyncio.sleep(seconds)


async def as_coroutine(truth: bool) -> bool:
    """What ``eventually`` asks for, from what is known at once."""
    return truth


async def _or_none(asked: Awaitable[T]) -> T | None:
    """The answer; None while who is asked is away."""
    try:
        return await asked
    except _AWAY:
        return None
