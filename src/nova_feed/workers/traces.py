"""Where the trace of an event ends: a span from Kafka until ClickHouse has stored it. Runs while tracing is on alone.

ClickHouse reads the topic itself and knows of no traces, so a group of our own reads it once more and asks for what was
sampled.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence

import msgspec

from nova_feed.clock import Clock
from nova_feed.ops import tracing
from nova_feed.store.client import Store
from nova_feed.stream.consumer import Received
from nova_feed.topics import EVENTS

GROUP = "nova_traces"
POLL_S, PATIENCE_S = 0.2, 20.0
MOST_OPEN = 200  # requests whose events are looked for at the same time; more are not traced to their end
_STORED = """
SELECT uniqExact(seq) AS n FROM events WHERE post_id IN {posts:Array(Int64)} AND seq IN {seqs:Array(UInt64)}
"""


class _Event(msgspec.Struct):
    seq: int
    post_id: int


class Traces:
    """The handler of the group."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._open: set[asyncio.Task[None]] = set()

    async def handle(self, records: Sequence[Received]) -> None:
        """Begin a span for each sampled request in the batch; it ends by itself."""
        found: defaultdict[str, list[_Event]] = defaultdict(list)
        for record in records:
            if record.trace is not None and record.value is not None:
                found[record.trace].append(msgspec.json.decode(record.value, type=_Event))
        for parent, events in list(found.items())[: max(0, MOST_OPEN - len(self._open))]:
            task = asyncio.create_task(self._follow(parent, events))
            self._open.add(task)
            task.add_done_callback(self._open.discard)

    async def _follow(self, parent: str, events: Sequence[_Event]) -> None:
        span = tracing.begin(
            f"process {EVENTS.name}", "consumer", [parent], messaging__system="kafka",
            messaging__operation__type="process", messaging__operation__name="store",
            messaging__destination__name=EVENTS.name, messaging__consumer__group__name=GROUP,
            messaging__batch__message_count=len(events),
        )  # fmt: skip
        failed = "timeout"
        try:
            with tracing.within(span):
                failed = "" if await self._stored(events) else "timeout"
        except Exception as error:
            failed = type(error).__name__
            raise
        finally:
            span.end(failed)

    async def _stored(self, events: Sequence[_Event]) -> bool:
        until = self._clock.monotonic() + PATIENCE_S
        posts, seqs = sorted({event.post_id for event in events}), [event.seq for event in events]
        while self._clock.monotonic() < until:
            rows = await self._store.sql(_STORED, posts=posts, seqs=seqs)
            if rows["n"][0] == len(set(seqs)):
                return True
            await asyncio.sleep(POLL_S)
        return False
