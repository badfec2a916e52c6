"""``nova events verify`` and ``nova events replay``: is everything that was accepted counted, and counted once?"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import asyncpg
import numpy as np
from rich.console import Console

from nova_feed.capture.connection import connect
from nova_feed.clock import SystemClock
from nova_feed.errors import InvalidInputError
from nova_feed.settings import Settings
from nova_feed.store.client import Store
from nova_feed.stream.lag import group_lag
from nova_feed.stream.offsets import rewind
from nova_feed.topics import EVENTS
from nova_feed.workers import ledger
from nova_feed.workers.ledger import NOTHING, Sums

GROUP = "events_group"
TRIES, PAUSE_S = 10, 2.0
MOVING = 200  # records that are always on their way while events arrive
KEPT_S = 28 * 86_400  # events are kept for 30 days
_EVERYTHING = 2**31


@dataclass(frozen=True, slots=True)
class Ledger:
    """Accepted = stored + pending, when all is well. In events, of ``hours`` of acceptance.

    ``pending``: in the outbox or in Kafka; ``missing``: acknowledged, settled or overdue, and not stored; ``extra``:
    stored, and never accepted; ``on_disk``: rows, of which those beyond ``stored`` were received twice and count once;
    ``differing``: counts of a post or a pair that are not what the events say.
    """

    hours: int
    accepted: int
    stored: int
    pending: int
    missing: int
    extra: int
    on_disk: int
    differing: int

    @property
    def adds_up(self) -> bool:
        return self.accepted == self.stored + self.pending and not (self.missing or self.extra or self.differing)


async def verify(settings: Settings, hours: int, *, wait: bool = False) -> Ledger:
    """Compare both stores; asks again for a while, since events arrive meanwhile. With ``wait`` until nothing is pending.

    Raises StoreUnavailableError.
    """
    store = Store(settings.clickhouse_url, name="nova events", timeout_s=120)
    connection = await connect(settings.postgres_url, name="nova events")
    try:
        for _ in range(TRIES):
            found = await _compare(connection, store, hours)
            if found.adds_up and not (wait and found.pending):
                break
            await asyncio.sleep(PAUSE_S)
        return found
    finally:
        await connection.close()
        await store.close()


async def _compare(connection: asyncpg.Connection, store: Store, hours: int) -> Ledger:
    now_s = SystemClock().now_ms() // 1000
    from_s = now_s // 60 * 60 - hours * 3600
    # ClickHouse first: what is stored now was accepted before, so PostgreSQL, read after it, knows of all of it.
    events, on_disk = await ledger.stored_events(store, from_s, now_s)
    stored = await ledger.stored(store, from_s, now_s)
    seqs = {minute: await ledger.stored_seqs(store, minute) for minute in stored if minute > now_s - 600}
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        rows = ledger.by_minute(await ledger.open_rows(connection, _EVERYTHING * 1000, 1_000_000))
        settled = await ledger.settled(connection, from_s, now_s)
    differing = int((await store.select("counts_that_differ", from_s=from_s + 3600))["n"][0]) if events else 0
    accepted = pending = missing = extra = 0
    for minute in sorted({*stored, *settled, *(minute for minute in rows if minute >= from_s)}):
        waiting, known = rows.get(minute, []), settled.get(minute, NOTHING)
        sent = ledger.seqs_of(waiting)
        have = stored.get(minute, NOTHING)
        accepted += known.events + sent.size
        if have == known + Sums.of(sent):
            continue
        there = seqs[minute] if minute in seqs else await ledger.stored_seqs(store, minute)
        present = np.isin(sent, there)
        pending += int((~present).sum())
        surplus = have.events - known.events - int(present.sum())
        extra, missing = extra + max(0, surplus), missing + max(0, -surplus)
    differing += sum(events.get(minute, NOTHING) != have for minute, have in stored.items())
    total = sum(have.events for have in stored.values())
    return Ledger(hours, accepted, total, pending, missing, extra, on_disk, differing)


async def show_verify(settings: Settings, console: Console, hours: int, *, wait: bool, as_json: bool) -> bool:
    """Print the ledger; returns whether it adds up."""
    found = await verify(settings, hours, wait=wait)
    if as_json:
        console.print_json(json.dumps(asdict(found) | {"adds_up": found.adds_up}))
        return found.adds_up
    twice = found.on_disk - found.stored
    for name, value, remark in (
        ("accepted", found.accepted, f"by PostgreSQL, in the last {hours} h"),
        ("stored", found.stored, f"in ClickHouse, once each ({twice:,} were received again)"),
        ("pending", found.pending, "in the outbox or in Kafka"),
        ("missing", found.missing, "settled, but not in ClickHouse any more"),
        ("extra", found.extra, "in ClickHouse, but never accepted"),
        ("differing", found.differing, "counts that are not what the events say"),
    ):
        console.print(f"{name:<10} {value:>14,}  {remark}", highlight=False)
    sign = "=" if found.accepted == found.stored + found.pending else "≠"
    console.print(f"accepted {sign} stored + pending", style="green" if found.adds_up else "bold red", highlight=False)
    return found.adds_up


async def replay(settings: Settings, since: str, console: Console) -> bool:
    """Let ClickHouse read the events topic again from ``since``; returns whether all counts are as they were.

    Events go on arriving meanwhile, so that is judged in two parts: the events accepted until a minute ago are the same,
    once each, and every count is what the events say. Raises InvalidInputError, StoreUnavailableError.
    """
    since_ms = _time(since)
    store = Store(settings.clickhouse_url, name="nova events", timeout_s=120)
    until_ms = SystemClock().now_ms() - 60_000
    try:
        client = await store.client()
        before = await _checksum(store, until_ms)
        started = time.monotonic()
        await client.command("DETACH TABLE events_queue")
        try:
            records = await asyncio.to_thread(rewind, settings.kafka_brokers, GROUP, EVENTS.name, since_ms)
        finally:
            await client.command("ATTACH TABLE events_queue")
        console.print(f"{records:,} records are read again", highlight=False)
        while (left := await asyncio.to_thread(group_lag, settings.kafka_brokers, GROUP)) > MOVING:
            console.print(f"  {left:,} to go", style="dim", highlight=False)
            await asyncio.sleep(1)
        took_s = time.monotonic() - started
        after, differing = await _checksum(store, until_ms), await _differing(store)
    finally:
        await store.close()
    verdict = "unchanged" if before == after else "CHANGED"
    console.print(f"done in {took_s:.1f} s", highlight=False)
    console.print(f"{before[0]:,} events, checksum {before[1]} → {after[1]}: {verdict}", highlight=False)
    console.print(f"counts that are not what the events say: {differing}", highlight=False)
    return before == after and not differing


async def _checksum(store: Store, before_ms: int) -> tuple[int, int]:
    columns = await store.select("checksum", before_ms=before_ms)
    return int(columns["events"][0]), int(columns["checksum"][0])


async def _differing(store: Store) -> int:
    """Asked again for a while: a block of events reaches one table after the other."""
    from_s = SystemClock().now_ms() // 1000 - KEPT_S
    for _ in range(TRIES):
        found = int((await store.select("counts_that_differ", from_s=from_s))["n"][0])
        if not found:
            break
        await asyncio.sleep(PAUSE_S)
    return found


def _time(since: str) -> int | None:
    if since == "beginning":
        return None
    try:
        at: Any = datetime.fromisoformat(since)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise InvalidInputError(
            f'--from {since!r}: must be "beginning" or a time with a zone like 2026-11-25T08:00:00Z'
        )
    return int(at.timestamp() * 1000)
