"""Who accepted what, and who has it: seqs by minute of acceptance, in PostgreSQL and in ClickHouse.

A minute is named by its Unix time in seconds. What PostgreSQL accepted in it is what its outbox still holds, and what
the reconciler settled before.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import numpy as np
import numpy.typing as npt

from nova_feed.store.client import Store

Seqs = npt.NDArray[np.uint64]
_WRAP = 1 << 64
_OPEN = (
    "SELECT base, accepted_ms, acked, positions FROM nova_events_outbox WHERE accepted_ms < $1 ORDER BY base LIMIT $2"
)
_SETTLED = """
SELECT extract(epoch FROM minute)::bigint AS minute_s, accepted AS events, seq_sum, seq_xor
FROM nova_events_minutes WHERE minute BETWEEN to_timestamp($1) AND to_timestamp($2)
"""


@dataclass(frozen=True, slots=True)
class Sums:
    """A set of seqs in three numbers: how many, their sum modulo 2^64, their xor. ``+`` is of disjoint sets."""

    events: int = 0
    seq_sum: int = 0
    seq_xor: int = 0

    @classmethod
    def of(cls, seqs: Seqs) -> Sums:
        """The three numbers of these seqs."""
        if not seqs.size:
            return cls()
        return cls(int(seqs.size), int(np.add.reduce(seqs, dtype=np.uint64)), int(np.bitwise_xor.reduce(seqs)))

    def __add__(self, other: Sums) -> Sums:
        total = (self.seq_sum + other.seq_sum) % _WRAP
        return Sums(self.events + other.events, total, self.seq_xor ^ other.seq_xor)


NOTHING = Sums()


@dataclass(frozen=True, slots=True)
class OpenRow:
    """One request in the outbox: not yet known to be stored. ``acked``: the broker has all of it."""

    base: int
    accepted_ms: int
    acked: bool
    seqs: Seqs

    @property
    def minute_s(self) -> int:
        return self.accepted_ms // 60_000 * 60


def by_minute(rows: Iterable[OpenRow]) -> dict[int, list[OpenRow]]:
    """The rows of each minute."""
    found: dict[int, list[OpenRow]] = {}
    for row in rows:
        found.setdefault(row.minute_s, []).append(row)
    return found


def seqs_of(rows: Sequence[OpenRow]) -> Seqs:
    """The seqs of all these rows."""
    return np.concatenate([row.seqs for row in rows]) if rows else np.empty(0, dtype=np.uint64)


async def open_rows(connection: asyncpg.Connection | asyncpg.Pool, before_ms: int, most: int) -> list[OpenRow]:
    """Up to ``most`` outbox rows accepted before ``before_ms``, in the order of their seqs."""
    rows = await connection.fetch(_OPEN, before_ms, most)
    return [
        OpenRow(base, ms, acked, np.array(positions, np.uint64) + np.uint64(base))
        for base, ms, acked, positions in rows
    ]


async def settled(connection: asyncpg.Connection | asyncpg.Pool, from_s: int, to_s: int) -> dict[int, Sums]:
    """What was settled before, by minute."""
    rows = await connection.fetch(_SETTLED, from_s, to_s)
    return {row["minute_s"]: Sums(row["events"], int(row["seq_sum"]), row["seq_xor"]) for row in rows}


async def stored(store: Store, from_s: int, to_s: int) -> dict[int, Sums]:
    """What ClickHouse has, by minute. Raises StoreUnavailableError."""
    return _sums(await store.select("ledger", from_s=from_s, to_s=to_s))


async def stored_seqs(store: Store, minute_s: int) -> Seqs:
    """Which seqs ClickHouse has of one minute. Raises StoreUnavailableError."""
    found = (await store.select("ledger_seqs", minute_s=minute_s))["seq"]
    return found.astype(np.uint64)


async def stored_events(store: Store, from_s: int, to_s: int) -> tuple[dict[int, Sums], int]:
    """The same as ``stored``, from the events themselves, and the number of their rows on disk."""
    columns = await store.select("stored_events", from_s=from_s, to_s=to_s)
    return _sums(columns), int(columns["on_disk"].sum())


def _sums(columns: Mapping[str, npt.NDArray[Any]]) -> dict[int, Sums]:
    names = ("minute_s", "events", "seq_sum", "seq_xor")
    return {m: Sums(n, s, x) for m, n, s, x in zip(*(columns[name].tolist() for name in names), strict=True)}
