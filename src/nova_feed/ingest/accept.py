"""Accept events: dedup rows and one outbox row in one PostgreSQL statement, committed before anybody is told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files
from typing import Any, Literal, TypeVar

import asyncpg
import msgspec

from nova_feed.away import POSTGRES_AWAY
from nova_feed.errors import StoreUnavailableError
from nova_feed.ingest.validate import Invalid, Valid
from nova_feed.model import Action
from nova_feed.ops import tracing
from nova_feed.stream.producer import TRACEPARENT, Record

Fate = Literal["accepted", "duplicate", "conflict"]
T = TypeVar("T")
DEADLINE_S = 1.8
AUTHORS_KEPT = 200_000  # 20 MB at most, per process
_SQL = files("nova_feed.ingest") / "sql"
_ACCEPT = (_SQL / "accept.sql").read_text()
_DIGESTS = (_SQL / "digests.sql").read_text()
_AUTHORS = "SELECT id, author_id FROM posts WHERE id = ANY($1::bigint[])"
_DAYS = "SELECT nova_ensure_event_days()"


@dataclass(frozen=True, slots=True)
class Accepted:
    """What was committed: line ``i`` of ``body`` was new when ``i`` is in ``positions``, and has the seq base + i.

    ``trace``: the ``traceparent`` of the request, if it is sampled.
    """

    base: int
    accepted_ms: int
    positions: tuple[int, ...]
    body: bytes
    trace: str | None = None


class Acceptor:
    """Writes accepted events.

    Every call answers within 2 s, or raises StoreUnavailableError: then nothing was stored, or the retry finds
    duplicates.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._authors: dict[int, int] = {}

    async def authors(self, items: Sequence[Valid]) -> tuple[list[tuple[Valid, int]], list[Invalid]]:
        """Each item with its post's author; items about no post, or naming another author, are invalid.

        A post never changes its author, so what was found once is remembered; a post that is not there is looked for
        again.
        """
        asked = {item.event.post_id for item in items}
        found = {post: self._authors[post] for post in asked if post in self._authors}
        if unknown := [post for post in asked if post not in found]:  # (a set less dict.keys() walks over all keys)
            rows = await _in_time(self._fetch(_AUTHORS, unknown))
            found.update((row[0], row[1]) for row in rows)
            if len(self._authors) + len(rows) > AUTHORS_KEPT:
                self._authors.clear()
            self._authors.update((row[0], row[1]) for row in rows)
        good: list[tuple[Valid, int]] = []
        bad: list[Invalid] = []
        for item in items:
            author = found.get(item.event.post_id)
            if author is None:
                bad.append(Invalid(item.index, "post_id: there is no such post"))
            elif item.event.author_id not in {None, author}:
                bad.append(Invalid(item.index, "author_id: is not the author of this post"))
            else:
                good.append((item, author))
        return good, bad

    async def accept(self, items: Sequence[tuple[Valid, int]]) -> tuple[Accepted | None, list[Fate]]:
        """Commit the items of one request, whose keys are distinct: what was new (None: nothing), and a fate each."""
        body = b"\n".join(_line(item, author) for item, author in items)
        days = [datetime.fromtimestamp(item.event_time_ms / 1000, UTC).date() for item, _ in items]
        guards = [
            day - timedelta(days=1) if item.timeless else None for (item, _), day in zip(items, days, strict=True)
        ]
        return await _in_time(self._accept([item for item, _ in items], days, guards, body))

    async def _accept(
        self, items: Sequence[Valid], days: Sequence[date], guards: Sequence[date | None], body: bytes
    ) -> tuple[Accepted | None, list[Fate]]:
        keys, digests = [item.key for item in items], [item.digest for item in items]
        hides = [item for item in items if item.event.action == Action.HIDE]
        users, posts = [item.user_id for item in hides], [item.event.post_id for item in hides]
        trace = tracing.traceparent()
        values = (days, keys, digests, guards, body, users, posts, trace)
        with tracing.span("accept", "client", db__system__name="postgresql", db__operation__name="INSERT"):
            try:
                [row] = await self._fetch(_ACCEPT, *values)
            except asyncpg.CheckViolationError:  # the job that makes partitions has not run for days
                await self._fetch(_DAYS)
                [row] = await self._fetch(_ACCEPT, *values)
        new = frozenset(row["positions"] or ())
        fates: list[Fate] = ["accepted" if i in new else "duplicate" for i in range(len(items))]
        named = [i for i, item in enumerate(items) if i not in new and item.digest]
        if named:
            known = await self._fetch(_DIGESTS, [keys[i] for i in named], [days[i] for i in named])
            said = {(r["key"], r["digest"]) for r in known}
            for i in named:
                if (keys[i], digests[i]) not in said:
                    fates[i] = "conflict"
        accepted = Accepted(row["base"], row["accepted_ms"], tuple(row["positions"]), body, trace) if new else None
        return accepted, fates

    async def _fetch(self, sql: str, *values: Any) -> list[asyncpg.Record]:
        async with self._pool.acquire(timeout=1) as connection:
            return await connection.fetch(sql, *values, timeout=5)


async def _in_time(work: Awaitable[T]) -> T:
    """The result of ``work``. Past the deadline the caller is told so, and the work is left to end by itself.

    A server that is stopped rather than dead does not even answer a request to cancel: waiting for that would make the
    caller hang as long as the server does.
    """
    task = asyncio.ensure_future(work)
    done, _ = await asyncio.wait({task}, timeout=DEADLINE_S)
    if not done:
        task.add_done_callback(lambda late: late.cancelled() or late.exception())
        raise StoreUnavailableError("postgres", f"no answer within {DEADLINE_S} s")
    try:
        return task.result()
    except POSTGRES_AWAY as error:
        raise StoreUnavailableError("postgres", str(error) or type(error).__name__) from error


def records(accepted: Accepted, trace: str | None = None) -> list[Record]:
    """The Kafka records of an outbox row: the lines that were new, with their seq, keyed by user; ``trace`` as header.

    Raises IndexError when a position has no line.
    """
    lines = accepted.body.split(b"\n")
    made = []
    headers = () if trace is None else ((TRACEPARENT, trace),)
    for position in accepted.positions:
        key, _, value = lines[position].partition(b"\t")
        head = b'{"seq":%d,"accepted_at":%d,' % (accepted.base + position, accepted.accepted_ms)
        made.append(Record(key, head + value[1:], headers))
    return made


def _line(item: Valid, author_id: int) -> bytes:
    event = item.event
    value = msgspec.json.encode({
        "event_id": event.event_id or str(item.key), "event_time": item.event_time_ms, "user_id": item.user_id,
        "post_id": event.post_id, "author_id": author_id, "action": event.action, "dwell_ms": event.dwell_ms,
        "device": event.device, "app_ver": event.app_ver,
    })  # fmt: skip
    return b"%d\t%s" % (item.user_id, value)
