"""Between a real PostgreSQL and a real ClickHouse: what agrees is settled, what is missing is sent again."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import asyncpg
import pytest

from nova_feed.clock import SystemClock
from nova_feed.store.client import Store
from nova_feed.workers.reconciler import GRACE_MS, PATIENCE_S, Reconciler
from tests.stack import LocalStack

pytestmark = pytest.mark.integration
MINUTE_MS = SystemClock().now_ms() // 60_000 * 60_000 - 3_600_000  # of today: ClickHouse forgets older ones
CLOSED_MS = MINUTE_MS + 60_000 + GRACE_MS
OVERDUE_MS = MINUTE_MS + 60_000 + int(PATIENCE_S * 1000)


@dataclass
class StandingClock:
    """A clock that shows what it is told."""

    ms: int

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.ms / 1000


@dataclass
class Ledgers:
    """Both sides, and a reconciler between them at a time of the test's choice."""

    pool: asyncpg.Pool
    store: Store
    lag: int = 0

    def __post_init__(self) -> None:
        self.clock = StandingClock(CLOSED_MS)
        self.reconciler = Reconciler(self.pool, self.store, self._lag, self.clock)

    async def _lag(self) -> int:
        return self.lag

    async def accepted(self, base: int, count: int, *, acked: bool = True, at_ms: int = MINUTE_MS) -> list[int]:
        await self.pool.execute(
            "INSERT INTO nova_events_outbox (base, accepted_ms, acked, positions, body) VALUES ($1, $2, $3, $4, '')",
            base, at_ms, acked, list(range(count)),
        )  # fmt: skip
        return [base + i for i in range(count)]

    async def stored(self, seqs: Sequence[int], at_ms: int = MINUTE_MS) -> None:
        client = await self.store.client()
        await client.command(
            "INSERT INTO events_ledger SELECT toDateTime({at:Int64}, 'UTC'),"
            " groupBitmapState(toUInt64(arrayJoin({seqs:Array(UInt64)})))",
            parameters={"at": at_ms // 60_000 * 60, "seqs": list(seqs)},
        )

    async def left(self) -> list[tuple[int, bool]]:
        rows = await self.pool.fetch("SELECT base, acked FROM nova_events_outbox ORDER BY base")
        return [(row["base"], row["acked"]) for row in rows]

    async def settled(self) -> tuple[int, int, int] | None:
        row = await self.pool.fetchrow("SELECT accepted, seq_sum::bigint AS s, seq_xor FROM nova_events_minutes")
        return None if row is None else (row["accepted"], row["s"], row["seq_xor"])


@pytest.fixture
async def ledgers(stack: LocalStack, postgres_dsn: str) -> AsyncIterator[Ledgers]:
    url = stack.facts["clickhouse_url"].rstrip("/").rsplit("/", 1)
    name = f"scratch_{uuid.uuid4().hex[:12]}"
    origin = url[1] if len(url[0].split("/")) > 2 else "default"
    base = url[0] if len(url[0].split("/")) > 2 else stack.facts["clickhouse_url"].rstrip("/")
    store = Store(f"{base}/{name}", timeout_s=10, name="nova tests")
    client = await store.client()
    await client.command(f"CREATE TABLE events_ledger AS {origin}.events_ledger")
    async with asyncpg.create_pool(postgres_dsn, min_size=0, max_size=4) as pool:
        yield Ledgers(pool, store)
    await client.command(f"DROP DATABASE {name}")
    await store.close()


async def test_a_closed_minute_that_agrees_is_settled_with_its_sums(ledgers: Ledgers) -> None:
    seqs = await ledgers.accepted(128, 100) + await ledgers.accepted(256, 3)
    await ledgers.stored(seqs)
    found = await ledgers.reconciler.step()
    assert (found.settled, found.missing, found.extra) == (103, 0, 0)
    xor = 0
    for seq in seqs:
        xor ^= seq
    assert (await ledgers.settled(), await ledgers.left()) == ((103, sum(seqs), xor), [])


async def test_a_minute_that_is_not_closed_is_left_alone(ledgers: Ledgers) -> None:
    await ledgers.stored(await ledgers.accepted(128, 5))
    ledgers.clock.ms = CLOSED_MS - 1
    assert (await ledgers.reconciler.step()).settled == 0
    assert await ledgers.left() == [(128, True)]


async def test_what_was_stored_twice_is_settled_once(ledgers: Ledgers) -> None:
    seqs = await ledgers.accepted(128, 7)
    await ledgers.stored(seqs)
    await ledgers.stored(seqs)
    assert (await ledgers.reconciler.step()).settled == 7


async def test_a_gap_is_waited_for_and_then_sent_again(ledgers: Ledgers) -> None:
    await ledgers.stored((await ledgers.accepted(128, 10)) + (await ledgers.accepted(256, 10))[:9])
    found = await ledgers.reconciler.step()
    assert (found.settled, found.waiting, found.missing) == (10, 1, 0)
    ledgers.clock.ms = OVERDUE_MS
    found = await ledgers.reconciler.step()
    assert (found.missing, found.resent) == (1, 10)
    assert await ledgers.left() == [(256, False)]


async def test_what_was_sent_again_has_twice_the_time_before_it_is_sent_once_more(ledgers: Ledgers) -> None:
    await ledgers.accepted(128, 10)
    ledgers.clock.ms = OVERDUE_MS
    assert (await ledgers.reconciler.step()).resent == 10
    await ledgers.pool.execute("UPDATE nova_events_outbox SET acked = true")
    ledgers.clock.ms += int(PATIENCE_S * 2000) - 1
    assert (await ledgers.reconciler.step()).resent == 0
    ledgers.clock.ms += 1
    assert (await ledgers.reconciler.step()).resent == 10


async def test_nothing_is_sent_again_while_clickhouse_is_only_late(ledgers: Ledgers) -> None:
    await ledgers.accepted(128, 10)
    ledgers.clock.ms, ledgers.lag = OVERDUE_MS, 1_000_000
    found = await ledgers.reconciler.step()
    assert (found.resent, found.waiting) == (0, 10)


async def test_what_nobody_acknowledged_is_the_relays_and_no_loss(ledgers: Ledgers) -> None:
    await ledgers.accepted(128, 10, acked=False)
    ledgers.clock.ms = OVERDUE_MS
    found = await ledgers.reconciler.step()
    assert (found.missing, found.resent, await ledgers.left()) == (0, 0, [(128, False)])


async def test_what_is_stored_although_nobody_heard_of_it_is_settled(ledgers: Ledgers) -> None:
    await ledgers.stored(await ledgers.accepted(128, 10, acked=False))
    assert (await ledgers.reconciler.step()).settled == 10


async def test_what_was_never_accepted_is_told(ledgers: Ledgers) -> None:
    await ledgers.stored([*await ledgers.accepted(128, 10), 999_999])
    found = await ledgers.reconciler.step()
    assert (found.settled, found.extra) == (10, 1)


async def test_a_request_that_commits_after_its_minute_was_settled_is_added(ledgers: Ledgers) -> None:
    first = await ledgers.accepted(128, 10)
    await ledgers.stored(first)
    await ledgers.reconciler.step()
    late = await ledgers.accepted(256, 10)
    await ledgers.stored(late)
    found = await ledgers.reconciler.step()
    assert (found.settled, found.extra, found.missing) == (10, 0, 0)
    settled = await ledgers.settled()
    assert settled is not None
    assert settled[:2] == (20, sum(first) + sum(late))
