"""What every row needs: a load with a history, a watch on the feed, what normal means, and the checker's verdict."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import asdict, replace
from typing import TypeVar

import asyncpg
import httpx
import pytest
import redis.asyncio as redis

from nova_feed.cache.lists import ListCache
from nova_feed.errors import StoreUnavailableError
from nova_feed.store.client import Store
from nova_feed.stream.lag import group_lag
from tests.app import App
from tests.faults import viewers, visible
from tests.faults.breakers import Breakers
from tests.faults.checker import Verdict
from tests.faults.load import EVENTS, Load, World
from tests.faults.nemesis import runs, stopped
from tests.faults.report import Line, Report
from tests.faults.watch import FEED, LEAST, PATIENCE_S, Watch
from tests.stack import LocalStack, bearer
from tests.waiting import eventually

SERVICE = 1
READS = 50.0  # pages a second, of all viewers together
BEFORE_S, STEADY_S = 2.0, 30.0  # of reading, before a fault: at least, and at most
ENOUGH = 1_000.0  # events a second, under which every fault happens
NORMAL_S = 90.0
SETTLED_S = 120.0
SLOW_S = 5.0
_SHORT_LEAST = 0.9
_TROUBLE = """
SELECT concat(table, ': ', arrayStringConcat(arrayMap(text -> substring(text, 1, 600), arrayDistinct(exceptions.text)),
    ' | ')) AS told
FROM system.kafka_consumers WHERE notEmpty(exceptions.text)
"""
_STALE = """
SELECT concat(view, ', ', status, ', was rebuilt at ', ifNull(toString(last_success_time), 'no time'), ', now ',
    toString(now('UTC')), ': ', substring(ifNull(exception, ''), 1, 400)) AS told
FROM system.view_refreshes WHERE view IN ('past_counts', 'recent_counts', 'hot_posts')
"""
_BLOCKS = "SELECT blocker_id, blocked_id FROM blocks FINAL WHERE blocker_id IN {viewers:Array(Int64)}"
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
        return bool(await or_none(self.store.version()))

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

    @asynccontextmanager
    async def watch(self, rate: float = READS, who: Sequence[int] = viewers.VIEWERS) -> AsyncIterator[Watch]:
        """Readers beside whatever happens, who have read for a while; some have just blocked somebody they follow.

        They come all at once, without lists: what that costs a slow machine is row 27's matter. So they read until all
        are served as usual, or for ``STEADY_S``.
        """
        async with self.connection() as sql:
            blocks = await viewers.block(sql)
            hidden = await viewers.hidden(sql, who)
        await eventually(lambda: self._hides(blocks), NORMAL_S)
        tokens = {viewer: self.stack.token(viewer) for viewer in who}
        try:
            async with Watch(self.stack.facts["api_url"], tokens, hidden, rate) as watch:
                await eventually(lambda: as_coroutine(len(watch.looks) > rate * BEFORE_S), NORMAL_S)
                with suppress(AssertionError):
                    await eventually(lambda: as_coroutine(watch.is_quiet()), STEADY_S)
                yield watch
        finally:
            async with self.connection() as sql:
                await viewers.unblock(sql, blocks)

    async def _hides(self, blocks: Sequence[viewers.Pair]) -> bool:
        """Whether ClickHouse, which knows the rules when PostgreSQL is away, has heard of these blocks."""
        rows = await self.store.sql(_BLOCKS, viewers=[blocker for blocker, _ in blocks])
        return set(blocks) <= set(zip(rows["blocker_id"].tolist(), rows["blocked_id"].tolist(), strict=True))

    async def forget_lists(self, viewers: Sequence[int]) -> None:
        """The next first pages of these viewers have to be ranked, as after a new post of somebody they follow."""
        lists = ListCache.connect(self.stack.facts["redis_url"])
        try:
            await lists.forget(viewers)
        finally:
            await lists.close()

    @asynccontextmanager
    async def valkey(self) -> AsyncIterator[redis.Redis]:
        """An operator's client."""
        client = redis.Redis.from_url(self.stack.facts["redis_url"], socket_timeout=5, decode_responses=True)
        try:
            yield client
        finally:
            await client.aclose()

    def breakers(self) -> Breakers:
        """What the API's breakers do from now on."""
        return Breakers(self.stack.home / "logs" / "api.log")

    @contextmanager
    def nobody_restarts(self) -> Iterator[None]:
        """What is killed meanwhile stays away."""
        with stopped([self.stack.facts["supervisor_pid"]]):
            yield

    def client(self, timeout: float = 5) -> httpx.AsyncClient:
        """A client of the API, without a token."""
        return httpx.AsyncClient(base_url=self.stack.facts["api_url"], timeout=timeout)

    async def normal(self, line: Line, since: float) -> None:
        """Wait until all is as before: all parts run, an event and a post arrive, the feed is ranked."""
        await eventually(lambda: as_coroutine(self._all_run()), NORMAL_S)
        world = await eventually(lambda: or_none(self.world(1, 1)), NORMAL_S)
        [(post, _)] = world.posts
        async with self.client() as http:
            await eventually(lambda: or_none(self._sent(http, post)), NORMAL_S)
            try:
                await eventually(lambda: or_none(self._arrived(post)), NORMAL_S)
            except AssertionError as error:
                raise AssertionError(f"nothing arrives: {await self._why()}") from error
            await eventually(lambda: or_none(self._ranked(http)), NORMAL_S)
        line.seconds_to_normal = round(time.monotonic() - since, 1)

    def _all_run(self) -> bool:
        facts = self.stack.facts
        pids = facts["pids"]
        flat = [pid for part in pids.values() for pid in (part if isinstance(part, list) else [part])]
        parts = {"postgres", "connect", "clickhouse", "valkey", "api", "worker", *facts["brokers"]}
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
                return found if found.good else replace(found, lost=(await self._why(), *found.lost))
            last = found
            await asyncio.sleep(0.5)

    async def _why(self) -> str:
        """What keeps the consumers back, as far as they know."""
        told = [f"lag of {group}: {await self.lag(group)}" for group in ("events_group", "recent_group", "nova_cdc")]
        rows = [row for sql in (_TROUBLE, _STALE) for row in (await self.store.sql(sql))["told"]]
        return "; ".join((*told, *map(str, rows)))

    async def judge(self, line: Line, load: Load, more: Verdict | None = None) -> Verdict:
        """The verdict, into the report. Raises AssertionError unless all is well and the product's ledger agrees."""
        events = await self.verdict(line, load)
        found = events + (more or Verdict())
        line.lost, line.duplicate, line.phantom = len(found.lost), len(found.duplicate), len(found.phantom)
        line.add(f"{len(load.history):,} events sent, {load.history.count('unknown'):,} of them again")
        line.add(f"{found.received_again:,} duplicates received" if found.received_again else "")
        line.add(f"{load.told_again():,} batches told to come again" if load.told_again() else "")
        assert found.good, str(found)
        assert not load.history.may, f"{len(load.history.may)} events were never answered"
        await self.ledger_adds_up()
        return found

    def served(self, line: Line, watch: Watch, *stores: str, within_s: float, least: float = LEAST) -> None:
        """How the feed was answered, into the report. Raises AssertionError unless it was answered as it must be, in
        time, and blames nobody but ``stores`` for a fallback. ``least``: the share that must be answered.

        The short form, a few seconds on a machine that does everything else at once, is judged less strictly: one
        pause of the machine is more than half a percent of it.
        """
        figures = watch.figures()
        line.feed = asdict(figures) | {"share": round(figures.share, 5)}
        line.add(str(figures))
        if not self.full:
            within_s, least = PATIENCE_S, min(least, _SHORT_LEAST)
        watch.assert_served(*stores, within_s=within_s, least=least)

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


async def or_none(asked: Awaitable[T]) -> T | None:
    """The answer; None while who is asked is away."""
    try:
        return await asked
    except _AWAY:
        return None
