"""Frozen lists that this process made or read, for cursors while Valkey does not answer.

A list never changes, so one from here is as good as Valkey's; what was deleted or blocked since is left out by the
rules of each page. A client that keeps its connection comes back to the same process.
"""

from __future__ import annotations

from collections import OrderedDict

MOST_BYTES = 32 << 20  # some 1,200 lists


class OwnLists:
    """Encoded lists up to a size, the ones used last first to stay."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes, self._bytes = most_bytes, 0
        self._all: OrderedDict[tuple[int, str], bytes] = OrderedDict()
        self._only_here: set[tuple[int, str]] = set()

    def put(self, viewer_id: int, list_id: str, body: bytes, *, only_here: bool = False) -> None:
        """Keep a list; ``only_here``: Valkey has not taken it."""
        key = (viewer_id, list_id)
        self._drop(key)
        self._all[key] = body
        self._bytes += len(body)
        if only_here:
            self._only_here.add(key)
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._all)))

    def get(self, viewer_id: int, list_id: str, *, only_here: bool = False) -> bytes | None:
        """The list; with ``only_here`` none that Valkey ever had, for what Valkey had and has no more has expired."""
        key = (viewer_id, list_id)
        if key not in self._all or (only_here and key not in self._only_here):
            return None
        self._all.move_to_end(key)
        return self._all[key]

    def _drop(self, key: tuple[int, str]) -> None:
        self._bytes -= len(self._all.pop(key, b""))
        self._only_here.discard(key)
