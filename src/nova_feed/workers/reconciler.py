"""Compares what PostgreSQL accepted with what ClickHouse stored, minute by minute, and sends the gap again.

A broker's acknowledgement is a promise of memory, not of disk: until ClickHouse is seen to have an event its line stays
in the outbox. A closed minute whose numbers agree is settled, and its rows go.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import asyncpg
import numpy as np
import structlog

from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.ops import metrics
from nova_feed.store.client import Store
from nova_feed.workers.ledger import NOTHING, OpenRow, Sums, by_minute, open_rows, seqs_of, settled, stored, stored_seqs

log = structlog.get_logger(__name__)
MOST_ROWS = 20_000
GRACE_MS = 10_000  # a statement that took its time stamp within a minute may commit this long after it
PATIENCE_S = 60.0  # how long after its minute an acknowledged event may take to be stored; doubled at every resend
LAG_ALLOWED = 20_000  # records the consumer may be behind: more, and it is late rather than at a loss
_SETTLE = "DELETE FROM nova_events_outbox WHERE base = ANY($1::bigint[]) RETURNING base"
_RECORD = """
INSERT INTO nova_events_minutes AS m (minute, accepted, seq_sum, seq_xor) VALUES (to_timestamp($1), $2, $3, $4)
ON CONFLICT (minute) DO UPDATE SET accepted = m.accepted + excluded.accepted,
    seq_sum = mod(m.seq_sum + excluded.seq_sum, 18446744073709551616), seq_xor = m.seq_xor # excluded.seq_xor,
    reconciled_at = now()
"""
_AGAIN = "UPDATE nova_events_outbox SET acked = false WHERE base = ANY($1::bigint[])"


@dataclass(slots=True)
class Round:
    """What one round found: events settled, missing from ClickHouse past their time, extra there, sent again."""

    settled: int = 0
    missing: int = 0
    extra: int = 0
    resent: int = 0
    waiting: int = 0


@dataclass(slots=True)
class _Gap:
    """A minute that does not agree: when its missing events are sent again, and how long to wait after that."""

    due_ms: int
    patience_s: float = field(default=PATIENCE_S)


class Reconciler:
    """``lag()`` tells how many records ClickHouse's consumer is behind."""

    def __init__(self, pool: asyncpg.Pool, store: Store, lag: Callable[[], Awaitable[int]], clock: Clock) -> None:
        self._pool, self._store, self._lag, self._clock = pool, store, lag, clock
        self._gaps: dict[int, _Gap] = {}

    async def run(self, every_s: float = 5.0) -> None:
        """Reconcile until cancelled; a server that is away is waited for."""
        while True:
            try:
                await self.step()
            except StoreUnavailableError as error:
                log.warning("reconciler.waiting", store=error.store, reason=error.reason)
            await asyncio.sleep(every_s)

    async def step(self) -> Round:
        """One round over all closed minutes."""
        found = Round()
        now_ms = self._clock.now_ms()
        closed_ms = (now_ms - GRACE_MS) // 60_000 * 60_000
        minutes = by_minute(await open_rows(self._pool, closed_ms, MOST_ROWS))
        if minutes:
            first, last = min(minutes), max(minutes)
            there, before = await stored(self._store, first, last), await settled(self._pool, first, last)
            for minute_s, rows in minutes.items():
                have, known = there.get(minute_s, NOTHING), before.get(minute_s, NOTHING)
                await self._minute(minute_s, rows, have, known, now_ms, found)
        self._gaps = {minute: gap for minute, gap in self._gaps.items() if minute in minutes}
        metrics.EVENTS_MISSING.set(found.missing)
        metrics.EVENTS_EXTRA.set(found.extra)
        return found

    async def _minute(
        self, minute_s: int, rows: list[OpenRow], have: Sums, known: Sums, now_ms: int, found: Round
    ) -> None:
        accepted = Sums.of(seqs_of(rows))
        if have == known + accepted:
            found.settled += await self._settle(minute_s, rows, accepted)
            return
        present = np.isin(seqs_of(rows), await stored_seqs(self._store, minute_s))
        whole, partial = _split(rows, present)
        found.settled += await self._settle(minute_s, whole, Sums.of(seqs_of(whole)))
        found.extra += max(0, have.events - known.events - int(present.sum()))
        if partial:
            await self._gap(minute_s, partial, int((~present).sum()), now_ms, found)

    async def _gap(self, minute_s: int, rows: list[OpenRow], missing: int, now_ms: int, found: Round) -> None:
        """Acknowledged but not stored: late for a while, then lost on the way, and sent again by the relay."""
        gap = self._gaps.setdefault(minute_s, _Gap(minute_s * 1000 + 60_000 + int(PATIENCE_S * 1000)))
        lost = [row.base for row in rows if row.acked]
        if not lost or now_ms < gap.due_ms or await self._lag() > LAG_ALLOWED:
            found.waiting += missing
            return
        found.missing += missing
        found.resent += sum(row.seqs.size for row in rows if row.acked)
        await self._pool.execute(_AGAIN, lost, timeout=10)
        gap.patience_s *= 2
        gap.due_ms = now_ms + int(gap.patience_s * 1000)
        metrics.EVENTS_RESENT.inc(missing)
        log.warning("reconciler.sent_again", minute=minute_s, missing=missing, requests=len(lost))

    async def _settle(self, minute_s: int, rows: Sequence[OpenRow], sums: Sums) -> int:
        """Delete the rows and record their sums, or nothing: another reconciler may have been first."""
        if not rows:
            return 0
        async with self._pool.acquire(timeout=5) as connection, connection.transaction():
            gone = await connection.fetch(_SETTLE, [row.base for row in rows], timeout=30)
            if len(gone) == len(rows):
                await connection.execute(_RECORD, minute_s, sums.events, sums.seq_sum, sums.seq_xor)
                return sums.events
            raise StoreUnavailableError("postgres", "another reconciler settles the same minute")


def _split(rows: Sequence[OpenRow], present: np.ndarray) -> tuple[list[OpenRow], list[OpenRow]]:
    """Rows whose every seq is present, and the others; ``present`` says it for the seqs of all rows, end to end."""
    ends = np.cumsum([row.seqs.size for row in rows])
    whole = [bool(part.all()) for part in np.split(present, ends[:-1])]
    return [r for r, w in zip(rows, whole, strict=True) if w], [r for r, w in zip(rows, whole, strict=True) if not w]
