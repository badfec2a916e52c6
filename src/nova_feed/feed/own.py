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
        self._all: OrderedDict[tuple[int, str], tuple[bytes, bool]] = OrderedDict()  # and whether it is here alone

    def put(self, viewer_id: int, list_id: str, body: bytes, *, only_here: bool = False) -> None:
        """Keep a list; ``only_here``: Valkey has not taken it."""
        key = (viewer_id, list_id)
        old, _ = self._all.pop(key, (b"", False))
        self._all[key] = (body, only_here)
        self._bytes += len(body) - len(old)
        while self._bytes > self._most_bytes:
            _, (oldest, _) = self._all.popitem(last=False)
            self._bytes -= len(oldest)

    def get(self, viewer_id: int, list_id: str, *, only_here: bool = False) -> bytes | None:
        """The list; with ``only_here`` none that Valkey ever had, for what Valkey had and has no more has expired."""
        key = (viewer_id, list_id)
        body, alone = self._all.get(key, (None, False))
        if body is None or (only_here and not alone):
            return None
        self._all.move_to_end(key)
        return body
