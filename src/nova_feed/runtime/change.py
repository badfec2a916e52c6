"""A change: read the newest version, make the next one of it, add it, and only if nobody was faster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from nova_feed.errors import InvalidInputError, StaleVersionError
from nova_feed.runtime.live import Live
from nova_feed.runtime.table import Row, RuntimeTable
from nova_feed.runtime.values import Runtime, differences, load, parse, with_config, with_flags

log = structlog.get_logger(__name__)
TRIES = 10  # of a change that may go on top of whatever is newest


class Changes:
    """Each change that is one is a row of the table: who, when, what. What changes nothing adds nothing.

    ``expected`` is the version the change was made from: raises StaleVersionError when another is the newest by now;
    without it the change goes on top of whatever is. Raises InvalidInputError, StoreUnavailableError; nothing was
    changed then.
    """

    def __init__(self, table: RuntimeTable, live: Live) -> None:
        self.table, self._live = table, live

    async def newest(self) -> Runtime:
        """What should hold by the table; of a version that is not valid, its number and what holds instead."""
        return self._value(await self.table.newest())[0]

    async def flags(self, flags: Mapping[str, object], by: str, note: str, expected: int | None = None) -> Runtime:
        """Set some flags."""
        return await self._apply(lambda now: with_flags(now, flags), by, note, expected)

    async def config(self, config: Mapping[str, object], by: str, note: str, expected: int | None = None) -> Runtime:
        """Set the whole configuration."""
        return await self._apply(lambda now: with_config(now, config), by, note, expected)

    async def whole(self, document: object, by: str, note: str) -> Runtime:
        """Set everything; what the document does not name is as the settings say. Adds a row in any case, which says
        that this document was taken."""
        wanted = parse(document, defaults=self._live.defaults, version=0)
        return await self._apply(lambda now: replace(wanted, version=now.version), by, note, None, always=True)

    async def rollback(self, version: int, by: str, note: str, expected: int | None = None) -> Runtime | None:
        """A new version that says what that one said (0: what the settings say); None when there is no such one."""
        wanted = self._live.defaults
        if version:
            row = await self.table.get(version)
            if row is None:
                return None
            wanted = load(row.document, defaults=self._live.defaults, version=version)
        return await self._apply(lambda now: replace(wanted, version=now.version), by, note, expected)

    async def _apply(
        self,
        change: Callable[[Runtime], Runtime],
        by: str,
        note: str,
        expected: int | None,
        *,
        always: bool = False,
    ) -> Runtime:
        for _ in range(TRIES):
            now, valid = self._value(await self.table.newest())
            if expected not in (None, now.version):
                break
            wanted = change(now)
            changed = differences(now, wanted)
            if valid and not changed and not always:
                return now
            row = await self.table.append(now.version, wanted.document, by, note)
            if row is not None:
                log.info("runtime.made", version=row.version, by=by, note=note, changed=changed)
                return replace(wanted, version=row.version)
        raise StaleVersionError(f"the newest version is {now.version} by now: read it, and change that one")

    def _value(self, row: Row | None) -> tuple[Runtime, bool]:
        """What a row says, and whether it is valid."""
        if row is None:
            return self._live.defaults, True
        try:
            return load(row.document, defaults=self._live.defaults, version=row.version), True
        except InvalidInputError:
            return replace(self._live.now, version=row.version), False
