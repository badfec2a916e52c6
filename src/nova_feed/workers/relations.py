"""A follow, block or mute makes the lists of the people in it out of date: they are ranked anew at the next page.

They are forgotten at once, and again when ClickHouse has the row: what is ranked in between is ranked from what was
before, and would last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from nova_feed.cache.lists import ListCache
from nova_feed.model import MAX_ID
from nova_feed.ops import metrics
from nova_feed.store.client import Store
from nova_feed.stream.consumer import Received

log = structlog.get_logger(__name__)
GROUP = "nova_relations"
SNAPSHOT = "r"
PATIENCE_S, POLL_S = 5.0, 0.05
# topic -> the two columns of its key, and how many of the two people see another feed now
TABLES: Mapping[str, tuple[str, str, int]] = {
    "cdc.follows": ("follower_id", "followee_id", 1),
    "cdc.blocks": ("blocker_id", "blocked_id", 2),
    "cdc.mutes": ("muter_id", "muted_id", 1),
}


@dataclass(frozen=True, slots=True)
class Relation:
    """One row that was written or deleted."""

    topic: str
    first: int
    second: int
    offset: int

    @property
    def viewers(self) -> tuple[int, ...]:
        """Whose feed it changes."""
        return (self.first, self.second)[: TABLES[self.topic][2]]


def parse(record: Received) -> Relation | None:
    """The relation of a record; None for what is none (a tombstone, or what ClickHouse keeps as a bad row), and for a
    row of a snapshot: that it is there is no news."""
    first, second, _ = TABLES[record.topic]
    try:
        row = msgspec.json.decode(record.value or b"null")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        row = None
    if isinstance(row, dict) and row.get("__op") == SNAPSHOT:
        return None
    ids = [row.get(name) for name in (first, second)] if isinstance(row, dict) else []
    known = [one for one in ids if isinstance(one, int) and not isinstance(one, bool) and 0 < one <= MAX_ID]
    if len(known) < 2:
        if record.value is not None:
            metrics.RECORDS_IGNORED.labels(record.topic).inc()
        return None
    return Relation(record.topic, known[0], known[1], record.offset)


class Relations:
    """Handles batches of ``cdc.follows``, ``cdc.blocks`` and ``cdc.mutes``. Handling one twice changes nothing."""

    def __init__(self, store: Store, lists: ListCache) -> None:
        self._store, self._lists = store, lists

    async def handle(self, batch: Sequence[Received]) -> None:
        """Forget the lists, wait for ClickHouse to have the rows, forget again. Raises StoreUnavailableError."""
        found = [relation for record in batch if (relation := parse(record)) is not None]
        viewers = {viewer for relation in found for viewer in relation.viewers}
        await self._lists.forget(viewers)
        for topic in TABLES:
            await self._visible([relation for relation in found if relation.topic == topic], topic)
        await self._lists.forget(viewers)

    async def _visible(self, relations: Sequence[Relation], topic: str) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + PATIENCE_S
        while relations:
            seen = await self._versions(relations, topic)
            relations = [r for r in relations if seen.get((r.first, r.second), -1) < r.offset]
            if relations and loop.time() > until:
                log.warning("relations.late", topic=topic, rows=len(relations))
                return
            await asyncio.sleep(POLL_S if relations else 0)

    async def _versions(self, relations: Sequence[Relation], topic: str) -> dict[tuple[int, int], int]:
        firsts, seconds = [r.first for r in relations], [r.second for r in relations]
        if topic == "cdc.follows":
            rows = await self._store.select("relations_follows", firsts=firsts, seconds=seconds)
        elif topic == "cdc.blocks":
            rows = await self._store.select("relations_blocks", firsts=firsts, seconds=seconds)
        else:
            rows = await self._store.select("relations_mutes", firsts=firsts, seconds=seconds)
        pairs = zip(rows["first"].tolist(), rows["second"].tolist(), strict=True)
        return dict(zip(pairs, rows["version"].tolist(), strict=True))
