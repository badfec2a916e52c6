"""The caches without a server. They pass the contract tests of the real ones."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from nova_feed.cache.lists import ListCache
from nova_feed.cache.seen import NOTHING_SEEN, Seen, SeenCache
from nova_feed.errors import StoreUnavailableError


class ListsInMemory(ListCache):
    """Keeps lists in dictionaries, for ever. ``away``: answers like a Valkey that cannot be reached."""

    def __init__(self) -> None:
        self.away = False
        self.kept: dict[tuple[int, str], bytes] = {}
        self.firsts: dict[int, str] = {}

    async def close(self) -> None:
        self.away = True

    async def first(self, viewer_id: int) -> bytes | None:
        self._reach()
        list_id = self.firsts.get(viewer_id)
        return None if list_id is None else self.kept.get((viewer_id, list_id))

    async def get(self, viewer_id: int, list_id: str) -> bytes | None:
        self._reach()
        return self.kept.get((viewer_id, list_id))

    async def put(self, viewer_id: int, list_id: str, body: bytes, *, first: bool) -> None:
        self._reach()
        self.kept[viewer_id, list_id] = body
        if first:
            self.firsts[viewer_id] = list_id

    async def still_first(self, viewer_id: int, list_id: str) -> bool:
        self._reach()
        return self.firsts.get(viewer_id) == list_id and (viewer_id, list_id) in self.kept

    async def forget(self, viewers: Iterable[int]) -> None:
        self._reach()
        for viewer in viewers:
            self.firsts.pop(viewer, None)

    async def version(self) -> str:
        self._reach()
        return "9.1.2"

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

    async def read(self, viewer_id: int) -> Seen:
        self._reach()
        if viewer_id not in self.seen:
            return NOTHING_SEEN
        return Seen(np.array(sorted(self.seen[viewer_id]), dtype=np.int64), np.empty(0, dtype=np.uint8))

    def _reach(self) -> None:
        if self.away:
            raise StoreUnavailableError("valkey", "no connection")
