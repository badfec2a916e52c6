"""The table of versions without a server. It passes the contract tests of the real one."""

from __future__ import annotations

import json

from nova_feed.errors import StoreUnavailableError
from nova_feed.runtime.table import Row, RuntimeTable
from nova_feed.runtime.values import Document

MADE_MS = 1_760_000_000_000


class TableInMemory(RuntimeTable):
    """Keeps versions in a list. ``away``: answers like a PostgreSQL that cannot be reached."""

    def __init__(self) -> None:
        self.away = False
        self.rows: list[Row] = []
        self.asked = 0

    async def history(self, limit: int) -> list[Row]:
        self._reach()
        return self.rows[::-1][:limit]

    async def get(self, version: int) -> Row | None:
        self._reach()
        return next((row for row in self.rows if row.version == version), None)

    async def last_by(self, made_by: str) -> Row | None:
        self._reach()
        return next((row for row in self.rows[::-1] if row.made_by == made_by), None)

    async def append(self, after: int, document: Document, made_by: str, note: str = "") -> Row | None:
        self._reach()
        if after != (self.rows[-1].version if self.rows else 0):
            return None
        return self.write(json.dumps(document), made_by, note)

    def write(self, text: str, made_by: str = "a hand", note: str = "") -> Row:
        """A row as somebody types it."""
        row = Row(self.rows[-1].version + 1 if self.rows else 1, text, MADE_MS, made_by, note)
        self.rows.append(row)
        return row

    def _reach(self) -> None:
        self.asked += 1
        if self.away:
            raise StoreUnavailableError("postgres", "no connection")
