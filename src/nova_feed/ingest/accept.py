"""Accept events: dedup rows and one outbox row in one PostgreSQL statement, committed before anybody is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import asyncpg
import msgspec

from nova_feed.errors import StoreUnavailableError
from nova_feed.ingest.validate import Invalid, Valid
from nova_feed.stream.producer import Record

# One statement: what is new gets its seq, and the outbox row that names it, or nothing happens at all.
_ACCEPT = """
WITH sent AS (
    SELECT * FROM unnest($2::date[], $3::uuid[]) WITH ORDINALITY AS t(event_day, key, at)
), taken AS (
    INSERT INTO nova_events_seen (event_day, subject, key)
    SELECT event_day, $1, key FROM sent ON CONFLICT DO NOTHING RETURNING event_day, key, seq
), seqs AS (
    SELECT array_agg(coalesce(taken.seq, 0) ORDER BY sent.at) AS seqs FROM sent LEFT JOIN taken USING (event_day, key)
), kept AS (
    INSERT INTO nova_events_outbox (seqs, body) SELECT seqs, $4 FROM seqs WHERE EXISTS (SELECT FROM taken) RETURNING id
)
SELECT (SELECT id FROM kept) AS outbox_id, seqs FROM seqs
"""
_AUTHORS = "SELECT id, author_id FROM posts WHERE id = ANY($1::bigint[])"
_AWAY = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was committed: the outbox row (None: all items were duplicates) and a seq per item, 0 for a duplicate."""

    outbox_id: int | None
    seqs: tuple[int, ...]
    body: bytes


class Acceptor:
    """Writes accepted events. Raises StoreUnavailableError; then nothing was stored, or the retry finds duplicates."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def authors(self, items: Sequence[Valid]) -> tuple[list[tuple[Valid, int]], list[Invalid]]:
        """Each item with its post's author; items about no post, or naming another author, are invalid."""
        try:
            async with self._pool.acquire(timeout=1) as connection:
                rows = await connection.fetch(_AUTHORS, list({item.event.post_id for item in items}), timeout=2)
        except _AWAY as error:
            raise StoreUnavailableError("postgres", str(error) or type(error).__name__) from error
        known = {row[0]: row[1] for row in rows}
        good: list[tuple[Valid, int]] = []
        bad: list[Invalid] = []
        for item in items:
            author = known.get(item.event.post_id)
            if author is None:
                bad.append(Invalid(item.index, "post_id: there is no such post"))
            elif item.event.author_id not in {None, author}:
                bad.append(Invalid(item.index, "author_id: is not the author of this post"))
            else:
                good.append((item, author))
        return good, bad

    async def accept(self, subject: str, items: Sequence[tuple[Valid, int]]) -> Accepted:
        """Commit the items of one request; keys must be distinct within it."""
        body = b"\n".join(_line(item, author) for item, author in items)
        days = [datetime.fromtimestamp(item.event_time_ms / 1000, UTC).date() for item, _ in items]
        keys = [item.key for item, _ in items]
        try:
            async with self._pool.acquire(timeout=1) as connection:
                [row] = await connection.fetch(_ACCEPT, subject, days, keys, body, timeout=2)
        except _AWAY as error:
            raise StoreUnavailableError("postgres", str(error) or type(error).__name__) from error
        return Accepted(row["outbox_id"], tuple(row["seqs"]), body)


def records(seqs: Sequence[int], body: bytes) -> list[Record]:
    """The Kafka records of an outbox row: the lines that have a seq, with it, keyed by user."""
    lines = zip(seqs, body.split(b"\n"), strict=True)
    return [
        Record(line.split(b"\t", 1)[0], b'{"seq":%d,' % seq + line.split(b"\t", 1)[1][1:]) for seq, line in lines if seq
    ]


def _line(item: Valid, author_id: int) -> bytes:
    event = item.event
    value = msgspec.json.encode({
        "event_id": event.event_id or str(item.key), "event_time": item.event_time_ms, "user_id": item.user_id,
        "post_id": event.post_id, "author_id": author_id, "action": event.action, "dwell_ms": event.dwell_ms,
        "device": event.device, "app_ver": event.app_ver,
    })  # fmt: skip
    return b"%d\t%s" % (item.user_id, value)
