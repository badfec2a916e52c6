"""The caches without a server. They pass the contract tests of the real ones."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from nova_feed.cache.backlogs import MOST_WINDOWS, Backlogs
from nova_feed.cache.builds import Builds
from nova_feed.cache.lists import First, Kept, ListCache, Role, ToKeep
from nova_feed.cache.seen import NOTHING_SEEN, Seen, SeenCache
from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError


class ListsInMemory(ListCache):
    """Keeps lists in dictionaries, for ever. ``away``: answers like a Valkey that cannot be reached."""

    def __init__(self) -> None:
        self.away = False
        self.bodies: dict[tuple[int, str], bytes] = {}
        self.named: dict[int, str] = {}
        self.last: dict[int, str] = {}

    async def close(self) -> None:
        self.away = True

    async def firsts(self, viewers: Sequence[int]) -> dict[int, First | None]:
        self._reach()
        found: dict[int, First | None] = dict.fromkeys(viewers)
        for viewer in viewers:
            body = self.bodies.get((viewer, self.named.get(viewer) or self.last.get(viewer, "")))
            found[viewer] = First(body, outdated=viewer not in self.named) if body else None
        return found

    async def get(self, viewer_id: int, list_id: str) -> bytes | None:
        self._reach()
        return self.bodies.get((viewer_id, list_id))

    async def put_all(self, lists: Sequence[ToKeep]) -> None:
        self._reach()
        for one in lists:
            self.bodies[one.viewer_id, one.list_id] = one.body
            if one.first:
                self.named[one.viewer_id] = self.last[one.viewer_id] = one.list_id

    async def go_on(self, viewer_id: int, list_id: str, life_s: int) -> None:
        self._reach()
        self.named.setdefault(viewer_id, list_id)

    async def roles(self, lists: Sequence[tuple[int, str]], *, outdated_too: bool = False) -> list[Role]:
        self._reach()
        first, any_of = self.last | self.named if outdated_too else self.named, self.last | self.named
        return [
            Role.GONE if (viewer, list_id) not in self.bodies or viewer not in any_of
            else Role.FIRST if first.get(viewer) == list_id
            else Role.REPLACED
            for viewer, list_id in lists
        ]  # fmt: skip

    async def forget(self, viewers: Iterable[int]) -> None:
        self._reach()
        for viewer in viewers:
            self.named.pop(viewer, None)
            self.last.pop(viewer, None)

    async def outdate(self, viewers: Iterable[int]) -> None:
        self._reach()
        for viewer in viewers:
            self.named.pop(viewer, None)

    async def kept(self, viewer_id: int, most_keys: int) -> Kept:
        self._reach()
        lists = [(600, body) for (viewer, _), body in sorted(self.bodies.items()) if viewer == viewer_id]
        first = self.named.get(viewer_id)
        return Kept(first, 120 if first else -2, tuple(lists), complete=True)

    async def version(self) -> str:
        self._reach()
        return "9.1.2"

    def _reach(self) -> None:
        if self.away:
            raise StoreUnavailableError("valkey", "no connection")


class BuildsInMemory(Builds):
    """Counts the builds of each table."""

    def __init__(self) -> None:
        self.away, self.built = False, dict[str, int]()

    async def tell(self, table: str) -> None:
        self._reach()
        self.built[table] = self.built.get(table, 0) + 1

    async def newest(self) -> Mapping[str, str]:
        self._reach()
        return {table: str(build) for table, build in self.built.items()}

    def _reach(self) -> None:
        if self.away:
            raise StoreUnavailableError("valkey", "no connection")


class SeenInMemory(SeenCache):
    """Remembers every post exactly, for ever."""

    def __init__(self) -> None:
        self.away = False
        self.seen: dict[int, set[int]] = {}

    async def mark(self, pairs: Iterable[tuple[int, int]], now_ms: int) -> None:
        self._reach()
        for viewer, post in pairs:
            self.seen.setdefault(viewer, set()).add(post)

    async def read(self, viewers: Sequence[int]) -> dict[int, Seen]:
        self._reach()
        return {viewer: self._of(viewer) for viewer in viewers}

    def _of(self, viewer_id: int) -> Seen:
        if viewer_id not in self.seen:
            return NOTHING_SEEN
        return Seen(np.array(sorted(self.seen[viewer_id]), dtype=np.int64), np.empty(0, dtype=np.uint8))

    def _reach(self) -> None:
        if self.away:
            raise StoreUnavailableError("valkey", "no connection")


class BacklogsInMemory(Backlogs):
    """By the monotonic clock it is given. An answer comes after ``hops`` turns of the event loop."""

    def __init__(self, clock: Clock, *, hops: int = 0) -> None:
        self.away, self.asked = False, 0
        self._clock, self._hops = clock, hops
        self._free: dict[tuple[str, str], float] = {}

    async def spend(self, name: str, caller: str, seconds: float, window_s: float) -> float:
        self.asked += 1
        for _ in range(self._hops):
            await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailableError("valkey", "no connection")
        now, key = self._clock.monotonic(), (name, caller)
        self._free[key] = min(max(self._free.get(key, now), now) + seconds, now + window_s * MOST_WINDOWS)
        return self._free[key] - now
