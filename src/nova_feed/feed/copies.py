"""Pages of this process: what was answered a moment ago, to answer it again without leaving the process.

A copy is good while ``Changes`` is fresh and tells of nothing that its rules read, for ``TRUSTED_S`` after they were
read at most, since a broker that is away may keep a change back while heartbeats go through another, and for a moment
after they were read in any case; for ``CONFIRMED_S`` after it was known that Valkey names the same list: because it was
asked, or tells of nothing else (``Firsts``); and for ``LIFE_S`` at most, whatever else. All together have a size.

One that is asked for all the time stands in when its list is replaced: it answers while the page is made anew behind
the answers, once for all who ask. Otherwise everybody who comes meanwhile would make that page, each by himself.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from nova_feed.cache.lists import Role
from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.changes import LATEST_S, Changes
from nova_feed.feed.firsts import Firsts
from nova_feed.feed.rules import Rules

CONFIRMED_S = 2.0  # for so long another process may have a newer list
ASKED_OF_LIFE = 0.1  # of a list's life: then Valkey is asked all the same, which renews that life
UNCONFIRMED_S = 10.0  # and for so long, while Valkey does not say: on a loaded machine that is nothing lasting
EARLY_S = 0.8
COUNTED_S = 30.0  # how old ``newer`` may be when rules are read anew
STANDS_IN_S = 5.0  # for so long a page may be made anew
LIFE_S = 1_800.0
TRUSTED_S = 120.0
MOST_BYTES = 256 << 20
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
    """One first page. ``body`` is its JSON up to what changes from answer to answer; ``newer`` as in a page; ``read``:
    when its rules were; ``replaced``: when it was known that another list is, or should be, the first."""

    viewer_id: int
    list_id: str
    as_of_ms: int
    limit: int
    body: bytes
    newer: int | None
    rows: Rows
    change: int
    version: int
    read: float
    born: float
    confirmed: float
    used: float
    counted: float  # when ``newer`` was
    in_use: bool = False  # it had answered shortly before it was used last
    replaced: float | None = None
    answered: int = 0  # pages


@dataclass(frozen=True, slots=True)
class Mark:
    """When a page began to be made."""

    change: int
    version: int
    at: float


class Copies:
    """The copies of one process, the ones used last first to stay."""

    def __init__(
        self, clock: Clock, *, version: Callable[[], int] = lambda: 0, list_ttl_s: Callable[[], float] = lambda: 600.0,
        most_bytes: int = MOST_BYTES,
    ) -> None:  # fmt: skip
        """``version`` says by which configuration pages are made now: a page of another is no longer shown;
        ``list_ttl_s`` how long a list outlives its last read."""
        self._clock, self._version, self._list_ttl_s, self._most_bytes = clock, version, list_ttl_s, most_bytes
        self._all: OrderedDict[int, dict[int, Copy]] = OrderedDict()
        self._bytes = 0
        self._rereading: dict[tuple[int, int], asyncio.Task[bool]] = {}
        self._uncounted: list[Copy] = []
        self.stirred = asyncio.Event()  # there may be something to do
        self.replaced: asyncio.Queue[Copy] = asyncio.Queue()  # pages to be made anew
        self.changes, self.firsts = Changes(clock, self.drop, self.clear), Firsts(clock, self.stirred.set)

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
        copy.in_use, copy.used = now - copy.used <= CONFIRMED_S, now
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
            if at - copy.counted > COUNTED_S:
                self._uncounted.append(copy)
        else:
            self.drop(copy.viewer_id)
        return hold

    def due(self, copy: Copy) -> bool:
        """Whether it is time to see that Valkey still names the copy's list."""
        return self._due(copy, self._clock.monotonic(), CONFIRMED_S, ASKED_OF_LIFE)

    def _due(self, copy: Copy, now: float, confirmed_s: float, of_life: float) -> bool:
        firsts, confirmed = self.firsts, copy.confirmed
        return (
            firsts.told_of(copy.viewer_id, confirmed)
            or now - firsts.known_at(confirmed) > confirmed_s
            or now - confirmed > of_life * self._list_ttl_s()
        )

    def stands_in(self, copy: Copy) -> bool:
        """Whether the copy answers while its page is made anew."""
        return copy.replaced is not None and self._clock.monotonic() - copy.replaced <= STANDS_IN_S

    def may_wait(self, copy: Copy) -> bool:
        """Whether the copy answers although Valkey does not say that it still names its list."""
        return self._clock.monotonic() - self.firsts.known_at(copy.confirmed) <= UNCONFIRMED_S

    def soon_due(self) -> list[Copy]:
        """Copies in use that are due, or will soon be: asked for together they cost little."""
        now = self._clock.monotonic()
        return [
            copy for copy in self._used(now)
            if copy.replaced is None and self._due(copy, now, CONFIRMED_S - EARLY_S, ASKED_OF_LIFE / 2)
        ]  # fmt: skip

    def told_of(self) -> list[Copy]:
        """Copies in use whose viewers were told of since this was asked last."""
        now = self._clock.monotonic()
        pages = (page for viewer in self.firsts.news() for page in self._all.get(viewer, {}).values())
        return [
            page for page in pages
            if now - page.used <= CONFIRMED_S and page.replaced is None
            and self.firsts.told_of(page.viewer_id, page.confirmed)
        ]  # fmt: skip

    def soon_distrusted(self) -> list[Copy]:
        """Copies in use whose rules were read long ago: read together they cost little."""
        now = self._clock.monotonic()
        return [copy for copy in self._used(now) if now - copy.read > TRUSTED_S / 2]

    def uncounted(self) -> list[Copy]:
        """Copies whose rules were read anew since this was asked last, and of whom ``newer`` is old."""
        copies, self._uncounted = self._uncounted, []
        return copies

    def count(self, copies: Sequence[Copy], newer: Sequence[int | None]) -> None:
        """So many posts are newer than the lists of these copies (None: nobody says)."""
        for copy, count in zip(copies, newer, strict=True):
            copy.newer, copy.counted = count, self._clock.monotonic()

    def _used(self, now: float) -> Iterator[Copy]:
        for pages in reversed(self._all.values()):  # the ones used last come first
            used = [copy for copy in pages.values() if now - copy.used <= CONFIRMED_S]
            if not used:
                break
            yield from used

    def judge(self, copies: Sequence[Copy], roles: Sequence[Role], asked: float) -> None:
        """What Valkey said of the lists of these copies, who was ``asked`` then (monotonic). Those in use whose lists
        are replaced stand in, once; others that are not the first are forgotten."""
        for copy, role in zip(copies, roles, strict=True):
            if role == Role.FIRST:
                copy.confirmed, copy.replaced = asked, None
            elif not self.holds(copy):
                continue
            elif role == Role.REPLACED and copy.in_use and copy.replaced is None:
                copy.replaced = self._clock.monotonic()
                self.replaced.put_nowait(copy)
            elif not self.stands_in(copy):
                self.drop(copy.viewer_id)

    def renewed(self, viewer_id: int) -> None:
        """A list of this viewer was made behind an answer."""
        self.firsts.changed([viewer_id])

    def holds(self, copy: Copy) -> bool:
        """Whether this copy is what answers its viewer, and not forgotten or followed by another."""
        return self._all.get(copy.viewer_id, {}).get(copy.limit) is copy

    def put(
        self, mark: Mark, viewer_id: int, limit: int, *, list_id: str, as_of_ms: int, body: bytes, newer: int | None,
        rows: Rows,
    ) -> bool:  # fmt: skip
        """Keep a page whose rules were read from PostgreSQL after ``mark``; False when something changed meanwhile."""
        now = self._clock.monotonic()
        if self.changes.lately(viewer_id) or mark.change < self.changes.since or now - mark.at > CONFIRMED_S:
            return False
        pages = self._all.get(viewer_id, {})
        before = pages.get(limit)
        if any(page.list_id != list_id for page in pages.values()):
            self.drop(viewer_id)
            pages = {}
        elif before is not None:
            self._bytes -= len(before.body) + SPARE_BYTES
        pages[limit] = Copy(
            viewer_id, list_id, as_of_ms, limit, body, newer, rows, mark.change, mark.version, read=mark.at, born=now,
            confirmed=mark.at, used=now if before is None else before.used, counted=now,
        )  # fmt: skip
        self._all[viewer_id] = pages
        self._all.move_to_end(viewer_id)
        self._bytes += len(body) + SPARE_BYTES
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
