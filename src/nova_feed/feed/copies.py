"""Pages of this process: what was answered a moment ago, to answer it again without leaving the process.

A copy is good while ``Changes`` is fresh and tells of nothing that its rules read, for ``TRUSTED_S`` after they were
read at most, since not everything is told (TRUNCATE is not), and for a moment after they were read in any case; for
``CONFIRMED_S`` after Valkey was seen to name the same list; and for ``LIFE_S`` at most, whatever else. All of them
together have a size.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.changes import LATEST_S, Changes
from nova_feed.feed.rules import Rules

CONFIRMED_S = 2.0  # for so long another process may have a newer list
UNCONFIRMED_S = 10.0  # and for so long, while Valkey does not say: on a loaded machine that is nothing lasting
EARLY_S = 0.8
LIFE_S = 300.0
TRUSTED_S = 120.0
MOST_BYTES = 128 << 20
SPARE_BYTES = 1_700  # what a copy of 50 posts costs beside its body, by tracemalloc


class Rows(NamedTuple):
    """The posts of a page, their authors, and whether the viewer followed those when the list was made. Arrays, because
    there are many: as tuples a page's rows take as much as a third of its body."""

    posts: array[int]  # of "q"
    authors: array[int]
    followed: bytes  # 0 or 1 each

    @classmethod
    def of(cls, posts: Iterable[int], authors: Iterable[int], followed: Iterable[bool]) -> Rows:
        return cls(array("q", posts), array("q", authors), bytes(followed))


@dataclass(slots=True)
class Copy:
    """One first page. ``body`` is its JSON up to what changes from answer to answer; ``read``: when its rules were."""

    viewer_id: int
    list_id: str
    as_of_ms: int
    limit: int
    body: bytes
    rows: Rows
    change: int
    version: int
    read: float
    born: float
    confirmed: float
    used: float
    answered: int = 0  # pages


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
        self._rereading: dict[tuple[int, int], asyncio.Task[bool]] = {}
        self.changes = Changes(clock, self.drop, self.clear)

    def __len__(self) -> int:
        return len(self._all)

    def mark(self) -> Mark:
        """Taken before the rules of a page are read: a change that comes in between is later than the mark."""
        return Mark(self.changes.number, self._version(), self._clock.monotonic())

    def known(self, copy: Copy) -> bool:
        """Whether all that was committed up to ``LATEST_S`` ago is in its rules."""
        age_s = self._clock.monotonic() - copy.read
        return age_s <= LATEST_S or (age_s <= TRUSTED_S and self.changes.fresh())

    def doubtful(self, viewer_id: int, limit: int) -> Copy | None:
        """The copy of this viewer's first page, which may be shown if its rules still hold."""
        pages = self._all.get(viewer_id)
        copy = None if pages is None else pages.get(limit)
        if copy is None:
            return None
        changes, now = self.changes, self._clock.monotonic()
        if copy.change != changes.number:
            if changes.gone(copy.change, copy.rows.posts):
                self.drop(viewer_id)
                return None
            copy.change = changes.number
        if copy.version != self._version() or now - copy.born > LIFE_S:
            self.drop(viewer_id)
            return None
        copy.used = now
        self._all.move_to_end(viewer_id)
        return copy

    async def reread(self, copy: Copy, rules: Rules) -> bool:
        """Whether PostgreSQL still allows every row of a copy, which is dropped otherwise; who asks together shares."""
        key = (copy.viewer_id, copy.limit)
        if key not in self._rereading:
            task = self._rereading[key] = asyncio.create_task(self._reread(copy, rules))
            task.add_done_callback(lambda _: self._rereading.pop(key))
        return await asyncio.shield(self._rereading[key])

    async def _reread(self, copy: Copy, rules: Rules) -> bool:
        at, rows = self._clock.monotonic(), copy.rows
        try:
            now = await rules.read(copy.viewer_id, rows.posts.tolist(), list(set(rows.authors)))
        except StoreUnavailableError:
            return False
        if not now.current:
            return False
        hold = all(now.allows(post, author, was_followed=was > 0) for post, author, was in zip(*rows, strict=True))
        if hold:
            copy.read = at
        else:
            self.drop(copy.viewer_id)
        return hold

    def due(self, copy: Copy) -> bool:
        """Whether it is time to see that Valkey still names the copy's list."""
        return self._clock.monotonic() - copy.confirmed > CONFIRMED_S

    def may_wait(self, copy: Copy) -> bool:
        """Whether the copy answers although Valkey does not say that it still names its list."""
        return self._clock.monotonic() - copy.confirmed <= UNCONFIRMED_S

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
        self, mark: Mark, viewer_id: int, limit: int, *, list_id: str, as_of_ms: int, body: bytes, rows: Rows,
    ) -> bool:  # fmt: skip
        """Keep a page whose rules were read from PostgreSQL after ``mark``; False when something changed meanwhile."""
        now = self._clock.monotonic()
        if self.changes.lately(viewer_id) or mark.change < self.changes.since or now - mark.at > CONFIRMED_S:
            return False
        pages = self._all.get(viewer_id, {})
        if any(page.list_id != list_id for page in pages.values()):
            self.drop(viewer_id)
            pages = {}
        old = pages.get(limit)
        pages[limit] = Copy(
            viewer_id, list_id, as_of_ms, limit, body, rows, mark.change, mark.version, mark.at, now, now, now
        )
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
