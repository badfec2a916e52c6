"""From the outbox to Kafka: at once for what was just accepted, by the relay for what a crash left behind."""

from __future__ import annotations

import asyncio
from collections import deque

import asyncpg
import structlog

from nova_feed.ingest.accept import Accepted, records
from nova_feed.stream.producer import EventProducer
from nova_feed.topics import EVENTS

log = structlog.get_logger(__name__)
_DELETE = "DELETE FROM nova_events_outbox WHERE id = ANY($1::bigint[])"
_LEFT = """
SELECT id, seqs, body FROM nova_events_outbox
WHERE created_at < clock_timestamp() - make_interval(secs => $1) AND id <> ALL($2::bigint[])
ORDER BY id LIMIT 50
"""
MOST_IN_FLIGHT = 60  # rows handed to the producer and not yet answered for; its own queue is bounded too
_FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class Publisher:
    """Hands outbox rows to the producer, and removes a row once the broker acknowledged all of it.

    A row published twice (crash between acknowledgement and removal, or relay beside a slow producer) is harmless: its
    seqs are the same.
    """

    def __init__(self, pool: asyncpg.Pool, producer: EventProducer) -> None:
        self._pool, self._producer = pool, producer
        self._acknowledged: deque[int] = deque()
        self._in_flight: set[int] = set()

    def publish(self, accepted: Accepted) -> None:
        """Send what was accepted. Returns at once; never fails: the outbox keeps what Kafka does not take."""
        if accepted.outbox_id is not None:
            self._send(accepted.outbox_id, accepted.seqs, accepted.body)

    async def sweep(self, every_s: float = 0.05) -> None:
        """Remove acknowledged rows until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            await self.sweep_once()

    async def sweep_once(self) -> None:
        """Remove the rows acknowledged so far; keeps them for the next round when PostgreSQL does not answer."""
        done = [self._acknowledged.popleft() for _ in range(len(self._acknowledged))]
        if not done:
            return
        try:
            await self._pool.execute(_DELETE, done, timeout=5)
        except _FAILURES as error:
            self._acknowledged.extendleft(done)
            log.warning("outbox.not_swept", rows=len(done), error=str(error))

    async def relay(self, every_s: float = 1.0, older_than_s: float = 5.0) -> None:
        """Publish what lies in the outbox for too long, until cancelled."""
        while True:
            rows = [] if len(self._in_flight) >= MOST_IN_FLIGHT else await self._left_behind(older_than_s)
            for row in rows:
                self._send(row["id"], row["seqs"], row["body"])
            if rows:
                log.info("outbox.relayed", rows=len(rows))
            await asyncio.sleep(0.05 if self._in_flight else every_s)

    async def _left_behind(self, older_than_s: float) -> list[asyncpg.Record]:
        known = [*self._in_flight, *self._acknowledged]
        try:
            return await self._pool.fetch(_LEFT, older_than_s, known, timeout=10)
        except _FAILURES as error:
            log.warning("outbox.unreadable", error=str(error))
            return []

    def _send(self, outbox_id: int, seqs: tuple[int, ...], body: bytes) -> None:
        def done(good: bool) -> None:
            self._in_flight.discard(outbox_id)
            if good:
                self._acknowledged.append(outbox_id)

        self._in_flight.add(outbox_id)
        self._producer.send(EVENTS.name, records(seqs, body), done)
