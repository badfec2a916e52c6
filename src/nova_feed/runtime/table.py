"""Every version there was, in PostgreSQL: only ever added to, so it is the audit log, and any of them can come back."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncpg

from nova_feed.away import POSTGRES_AWAY
from nova_feed.errors import StoreUnavailableError
from nova_feed.runtime.values import Document

T = TypeVar("T")
_COLUMNS = "version, document, (extract(epoch FROM made_at) * 1000)::bigint AS made_ms, made_by, note"
_NEWEST = f"SELECT {_COLUMNS} FROM nova_runtime ORDER BY version DESC LIMIT $1"  # noqa: S608  a constant
_ONE = f"SELECT {_COLUMNS} FROM nova_runtime WHERE version = $1"  # noqa: S608
_LAST_BY = f"SELECT {_COLUMNS} FROM nova_runtime WHERE made_by = $1 ORDER BY version DESC LIMIT 1"  # noqa: S608
# Of two who add to the same version, one waits for the other at the key, and then adds nothing.
_APPEND = f"""
INSERT INTO nova_runtime (version, document, made_by, note)
SELECT $1 + 1, $2, $3, $4 WHERE $1 = (SELECT coalesce(max(version), 0) FROM nova_runtime)
ON CONFLICT (version) DO NOTHING RETURNING {_COLUMNS}
"""  # noqa: S608
WAIT_S = 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """One version: what, when (UTC ms), by whom, why."""

    version: int
    document: str  # as JSON
    made_ms: int
    made_by: str
    note: str


class RuntimeTable:
    """Every method raises StoreUnavailableError within about two seconds when PostgreSQL does not answer."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def newest(self) -> Row | None:
        """The version that should hold; None: nothing was ever changed."""
        return next(iter(await self.history(1)), None)

    async def history(self, limit: int) -> list[Row]:
        """The newest versions, the newest first."""
        return [_row(found) for found in await self._run(lambda c: c.fetch(_NEWEST, limit, timeout=WAIT_S))]

    async def get(self, version: int) -> Row | None:
        """One version."""
        return _row_or_none(await self._run(lambda c: c.fetchrow(_ONE, version, timeout=WAIT_S)))

    async def last_by(self, made_by: str) -> Row | None:
        """The newest version that this one made."""
        return _row_or_none(await self._run(lambda c: c.fetchrow(_LAST_BY, made_by, timeout=WAIT_S)))

    async def append(self, after: int, document: Document, made_by: str, note: str = "") -> Row | None:
        """Add the version that follows ``after``; None when that is not the newest any more."""
        text = json.dumps(document)
        return _row_or_none(await self._run(lambda c: c.fetchrow(_APPEND, after, text, made_by, note, timeout=WAIT_S)))

    async def _run(self, action: Callable[[Any], Awaitable[T]]) -> T:
        try:
            async with self._pool.acquire(timeout=WAIT_S) as connection:
                return await action(connection)
        except POSTGRES_AWAY as error:
            raise StoreUnavailableError("postgres", str(error) or type(error).__name__) from error


def _row_or_none(found: asyncpg.Record | None) -> Row | None:
    return None if found is None else _row(found)


def _row(found: asyncpg.Record) -> Row:
    return Row(found["version"], found["document"], found["made_ms"], found["made_by"], found["note"])
