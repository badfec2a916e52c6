"""From the outbox to Kafka: at once for what was just accepted, by the relay for what a crash left behind."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import asyncpg
import structlog

from nova_feed.away import POSTGRES_AWAY
from nova_feed.ingest.accept import Accepted, records
from nova_feed.ops import tracing
from nova_feed.stream.producer import Record
from nova_feed.topics import EVENTS

log = structlog.get_logger(__name__)
_ACKED = "UPDATE nova_events_outbox SET acked = true WHERE base = ANY($1::bigint[])"
_LEFT = """
SELECT base, accepted_ms, positions, body, trace FROM nova_events_outbox
WHERE NOT acked AND accepted_ms < floor(extract(epoch FROM clock_timestamp()) * 1000) - $1 AND base <> ALL($2::bigint[])
ORDER BY base LIMIT 50
"""
MOST_IN_FLIGHT = 60  # rows handed to the producer and not yet answered for; its own queue is bounded too


class Sender(Protocol):
    """As much of EventProducer as is needed here."""

    def send(self, topic: str, records: Sequence[Record], done: Callable[[bool], None]) -> None:
        """Queue records; ``done(all acknowledged)`` is called once."""


class Publisher:
    """Hands outbox rows to the producer, and marks a row once the broker acknowledged all of it.

    A row published twice (crash between acknowledgement and mark, or relay beside a slow producer) is harmless: its
    seqs are the same.
    """

    def __init__(self, pool: asyncpg.Pool, producer: Sender) -> None:
        self._pool, self._producer = pool, producer
        self._acknowledged: deque[int] = deque()
        self._in_flight: set[int] = set()

    def publish(self, accepted: Accepted) -> None:
        """Send what was accepted. Returns at once; never fails: the outbox keeps what Kafka does not take."""
        self._send(accepted)

    async def sweep(self, every_s: float = 0.25) -> None:
        """Mark acknowledged rows until cancelled. Nobody looks at a row before it is seconds old: many at a time."""
        while True:
            await asyncio.sleep(every_s)
            await self.sweep_once()

    async def sweep_once(self) -> None:
        """Mark the rows acknowledged so far; keeps them for the next round when PostgreSQL does not answer."""
        done = [self._acknowledged.popleft() for _ in range(len(self._acknowledged))]
        if not done:
            return
        try:
            await self._pool.execute(_ACKED, done, timeout=5)
        except POSTGRES_AWAY as error:
            self._acknowledged.extendleft(done)
            log.warning("outbox.not_swept", rows=len(done), error=str(error))

    async def relay(self, every_s: float = 1.0, older_than_s: float = 10.0) -> None:
        """Publish what lies in the outbox for too long, until cancelled."""
        while True:
            rows = [] if len(self._in_flight) >= MOST_IN_FLIGHT else await self._left_behind(older_than_s)
            for row in rows:
                self._send(
                    Accepted(row["base"], row["accepted_ms"], tuple(row["positions"]), row["body"], row["trace"])
                )
            if rows:
                log.info("outbox.relayed", rows=len(rows))
            await asyncio.sleep(0.05 if self._in_flight else every_s)

    async def _left_behind(self, older_than_s: float) -> list[asyncpg.Record]:
        known = [*self._in_flight, *self._acknowledged]
        try:
            return await self._pool.fetch(_LEFT, int(older_than_s * 1000), known, timeout=10)
        except POSTGRES_AWAY as error:
            log.warning("outbox.unreadable", error=str(error))
            return []

    def _send(self, accepted: Accepted) -> None:
        parents = () if accepted.trace is None else (accepted.trace,)
        span = tracing.begin(
            f"send {EVENTS.name}", "producer", parents, messaging__system="kafka", messaging__operation__type="send",
            messaging__operation__name="send", messaging__destination__name=EVENTS.name,
            messaging__batch__message_count=len(accepted.positions),
        )  # fmt: skip

        def done(good: bool) -> None:
            span.end("" if good else "not_acknowledged")
            self._in_flight.discard(accepted.base)
            if good:
                self._acknowledged.append(accepted.base)

        self._in_flight.add(accepted.base)
        self._producer.send(EVENTS.name, records(accepted, span.traceparent), done)
