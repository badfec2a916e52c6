"""Pages of this process: what was answered a moment ago, to answer it again without leaving the process.

A copy is good while ``Changes`` is fresh and tells of nothing that its rules read; for ``CONFIRMED_S`` after Valkey was
seen to name the same list; and for ``LIFE_S`` at most, whatever else. All of them together have a size.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nova_feed.clock import Clock
from nova_feed.feed.changes import Changes

CONFIRMED_S = 2.0  # for so long another process may have a newer list
EARLY_S = 0.8
LIFE_S = 120.0
MOST_BYTES = 128 << 20
SPARE_BYTES = 4_096  # what a copy costs beside its body, by tracemalloc


@dataclass(slots=True)
class Copy:
    """One first page. ``body`` is its JSON up to what changes from answer to answer."""

    viewer_id: int
    list_id: str
    as_of_ms: int
    limit: int
    body: bytes
    posts: frozenset[int]
    change: int
    version: int
    born: float
    confirmed: float
    used: float


@dataclass(frozen=True, slots=True)
class Mark:
    """When a page began to be made."""

    change: int
    version: int
    at: float


class Copies:
    """The copies of one process, the ones used last first to stay."""

    def __init__(self, clock: Clock, *, version: Callable[[], int] = lambda: 0, most_bytes: int = MOST_BYTES) -> None:
        """``version`` says by which configuration pages are made now: a page of another is no longer shown."""
        self._clock, self._version, self._most_bytes = clock, version, most_bytes
        self._all: OrderedDict[int, dict[int, Copy]] = OrderedDict()
        self._bytes = 0
        self.changes = Changes(clock, self.drop, self.clear)

    def __len__(self) -> int:
        return len(self._all)

    def mark(self) -> Mark:
        """Taken before the rules of a page are read: a change that comes in between is later than the mark."""
        return Mark(self.changes.number, self._version(), self._clock.monotonic())

    def get(self, viewer_id: int, limit: int) -> Copy | None:
        """The copy of this viewer's first page, if it may be shown (``due``: when Valkey still says so)."""
        pages = self._all.get(viewer_id)
        copy = None if pages is None else pages.get(limit)
        if copy is None or not self.changes.fresh():
            return None
        changes, now = self.changes, self._clock.monotonic()
        if copy.change != changes.number:
            if changes.gone(copy.change, copy.posts):
                self.drop(viewer_id)
                return None
            copy.change = changes.number
        if copy.version != self._version() or now - copy.born > LIFE_S:
            self.drop(viewer_id)
            return None
        copy.used = now
        self._all.move_to_end(viewer_id)
        return copy

    def due(self, copy: Copy) -> bool:
        """Whether it is time to see that Valkey still names the copy's list."""
        return self._clock.monotonic() - copy.confirmed > CONFIRMED_S

    def soon_due(self) -> list[Copy]:
        """Copies in use that will be due within ``EARLY_S``: asked for together they cost little."""
        now, found = self._clock.monotonic(), []
        for pages in reversed(self._all.values()):  # the ones used last come first
            used = [copy for copy in pages.values() if now - copy.used <= CONFIRMED_S]
            if not used:
                break
            found += [copy for copy in used if now - copy.confirmed > CONFIRMED_S - EARLY_S]
        return found

    def confirm(self, copies: Sequence[Copy], still: Sequence[bool]) -> None:
        """What Valkey said of these copies: whether it names their lists. The others are forgotten."""
        now = self._clock.monotonic()
        for copy, named in zip(copies, still, strict=True):
            if named:
                copy.confirmed = now
            elif self._all.get(copy.viewer_id, {}).get(copy.limit) is copy:
                self.drop(copy.viewer_id)

    def put(
        self, mark: Mark, viewer_id: int, limit: int, *, list_id: str, as_of_ms: int, body: bytes,
        posts: frozenset[int],
    ) -> bool:  # fmt: skip
        """Keep a page whose rules were read from PostgreSQL after ``mark``; False when something changed meanwhile."""
        now = self._clock.monotonic()
        if self.changes.lately(viewer_id) or not self.changes.fresh() or now - mark.at > CONFIRMED_S:
            return False
        pages = self._all.get(viewer_id, {})
        if any(page.list_id != list_id for page in pages.values()):
            self.drop(viewer_id)
            pages = {}
        old = pages.get(limit)
        pages[limit] = Copy(viewer_id, list_id, as_of_ms, limit, body, posts, mark.change, mark.version, now, now, now)
        self._all[viewer_id] = pages
        self._all.move_to_end(viewer_id)
        self._bytes += len(body) + SPARE_BYTES - (0 if old is None else len(old.body) + SPARE_BYTES)
        while self._bytes > self._most_bytes:
            self.drop(next(iter(self._all)))
        return True

    def drop(self, viewer_id: int) -> None:
        """Forget what there is of a viewer."""
        for copy in self._all.pop(viewer_id, {}).values():
            self._bytes -= len(copy.body) + SPARE_BYTES

    def clear(self) -> None:
        """Forget everything."""
        self._all.clear()
        self._bytes = 0
