"""The ranker's posts in this process: those of some authors, or all of a table once that is the cheaper way.

A table is rebuilt in ClickHouse several times a second, and a copy of an older build is never used. What a build is
asked for costs some 20 ms of ClickHouse for the posts of a batch's followees, and about as much for all of 100,000
(the table is read through in both cases). So each build is asked for the posts that are needed until that took as long
as all of it would have, and then for all: never more than twice what the better of the two would have cost, however
many come (the ski rental rule; Karlin, Manasse, Rudolph and Sleator 1988). Where all of it was worth its price the last
time, the next build is asked for all of it at once. A table too large for a process is asked for what is needed only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nova_feed.clock import Clock
from nova_feed.ranking import Candidates, Source
from nova_feed.store.native import Columns

MOST = 1_000_000  # posts of a table in a process: 72 bytes each, twice while a newer build is read
UNKNOWN_S, LONGEST_S = 0.3, 30.0  # how long a copy is good while nobody says which build is the newest, and in any case
FIRST_GUESS_S = 0.02
NAMED = 20_000  # authors in one query: their ids travel in its URL
Ints = npt.NDArray[np.int64]
Ask = Callable[[Sequence[int]], Awaitable[Columns]]
EVERYBODY: list[int] = []


@dataclass(frozen=True, slots=True, eq=False)
class Posts:
    """Posts in the order of their authors: those of ``authors[i]`` (ascending) are the rows from ``starts[i]`` up to
    ``starts[i + 1]`` of ``candidates``. ``trend``: how much each is engaged with of late, none where nobody asked that;
    ``whole``: whether these are all posts of the table."""

    candidates: Candidates
    authors: Ints
    starts: Ints
    trend: Ints
    whole: bool = False

    @classmethod
    def of(cls, rows: Columns, source: Source, *, whole: bool = False) -> Posts:
        """Take over an answer of ClickHouse, rows in any order. Raises ValueError as ``Candidates.make`` does."""
        candidates, trend = counted(rows, source), rows["trend"]
        author = candidates.author_id
        if (author[1:] < author[:-1]).any():
            order = np.argsort(author, kind="stable")
            candidates, trend = candidates.take(order), trend[order] if len(trend) else trend
            author = candidates.author_id
        begins = np.flatnonzero(np.append(True, author[1:] != author[:-1])) if len(author) else _NONE
        return cls(candidates, author[begins], np.append(begins, len(author)), trend, whole)

    def trending(self, most: int) -> Candidates:
        """The ``most`` posts that trend most (of two alike the newer, then the one with the higher id), those that do
        not trend left out; what ``trending.sql`` answers, of posts that are whole."""
        rows = np.flatnonzero(self.trend > 0)
        if len(rows) > most:
            edge = np.partition(self.trend[rows], len(rows) - most)[len(rows) - most]
            rows = rows[self.trend[rows] >= edge]
        found = self.candidates.take(rows)
        order = np.lexsort((found.post_id, found.created_ms, self.trend[rows]))[::-1]
        return found.take(order[:most]).of_source(Source.TRENDING)

    def newest(self, authors: Ints, most: int) -> Ints:
        """Rows of the newest posts of these authors, ``most`` of them (of two as old, the one with the higher id)."""
        return self._latest(self._rows(*self._spans(authors)), most)

    def closest(self, authors: Ints, interactions: Ints, most: int) -> Ints:
        """Rows of ``most`` posts: those of the authors with most interactions first, of each the newest first."""
        by_interactions = np.argsort(-interactions, kind="stable")
        authors, interactions = authors[by_interactions], interactions[by_interactions]
        begins, counts = self._spans(authors)
        enough = int(np.searchsorted(np.cumsum(counts), most))
        if enough == len(authors):
            return self._rows(begins, counts)
        # The author with whom there is enough, and those of as many interactions: of theirs the newest.
        alike = np.flatnonzero(interactions == interactions[enough])
        first, last = int(alike[0]), int(alike[-1]) + 1
        closer, as_close = (
            self._rows(begins[:first], counts[:first]),
            self._rows(begins[first:last], counts[first:last]),
        )
        return np.append(closer, self._latest(as_close, most - len(closer)))

    def _latest(self, rows: Ints, most: int) -> Ints:
        if len(rows) <= most:
            return rows
        created = self.candidates.created_ms[rows]
        edge = np.partition(created, len(rows) - most)[len(rows) - most]
        newer, as_old = rows[created > edge], rows[created == edge]
        by_id = np.argsort(self.candidates.post_id[as_old])[::-1]
        return np.append(newer, as_old[by_id[: most - len(newer)]])

    def _spans(self, authors: Ints) -> tuple[Ints, Ints]:
        """Of each author the first row, and how many there are."""
        if not len(self.authors):
            return np.zeros_like(authors), np.zeros_like(authors)
        at = np.minimum(np.searchsorted(self.authors, authors), len(self.authors) - 1)
        begins = self.starts[at]
        return begins, np.where(self.authors[at] == authors, self.starts[at + 1] - begins, 0)

    @staticmethod
    def _rows(begins: Ints, counts: Ints) -> Ints:
        """All rows of spans, one span after the other."""
        ends = np.cumsum(counts)
        total = int(ends[-1]) if len(ends) else 0
        rows: Ints = np.repeat(begins - (ends - counts), counts) + np.arange(total)
        return rows


_COUNTED = ("post_id", "author_id", "created_ms", "likes", "comments", "shares", "exposures")
_NONE: Ints = np.empty(0, dtype=np.int64)


def counted(rows: Columns, source: Source) -> Candidates:
    """Posts with their counters, as a query of ours tells them. Raises ValueError as ``Candidates.make`` does."""
    return Candidates.make(**{name: rows[name] for name in _COUNTED}, sources=source)


class PostTable:
    """One table of posts by author."""

    def __init__(
        self, ask: Ask, size: Callable[[], Awaitable[int]], source: Source, clock: Clock, *, most: int = MOST
    ) -> None:
        """``ask`` reads the posts of some authors, of everybody when none is named; ``size()``: how many there are."""
        self._ask_some, self._size, self._source, self._clock, self._most = ask, size, source, clock, most
        self._all: Posts | None = None
        self._all_costs_s = FIRST_GUESS_S
        self._some_cost_s = FIRST_GUESS_S
        self._spent_s = 0.0  # on the posts of some, of this build
        self._used = 0  # how often all of it answered
        self._built: str | None = None
        self._since = float("-inf")  # when this build was asked for first
        self._lock = asyncio.Lock()

    @property
    def whole(self) -> bool:
        """Whether all of the table is here, of this build or the one before."""
        return self._all is not None

    async def of(self, authors: Ints, built: str | None) -> Posts:
        """The posts of these authors at least, of the build ``built`` or a later one; None: nobody knows which is the
        newest. Raises StoreUnavailableError."""
        async with self._lock:
            now = self._clock.monotonic()
            if not self._is_of(built, now):
                worth_it = self._used * self._some_cost_s >= self._all_costs_s
                self._spent_s = self._all_costs_s if worth_it else 0.0
                self._all, self._used, self._built, self._since = None, 0, built, now
            if self._all is None and self._spent_s >= self._all_costs_s and await self._fits():
                self._all = await self._ask(EVERYBODY)
                self._all_costs_s = self._clock.monotonic() - now
            if self._all is not None:
                self._used += 1
                return self._all
        if not len(authors):
            return Posts.of(Columns(), self._source)
        asked = self._clock.monotonic()
        posts = await self._ask(authors.tolist())
        self._some_cost_s = self._clock.monotonic() - asked
        self._spent_s += self._some_cost_s
        return posts

    def _is_of(self, built: str | None, now: float) -> bool:
        age_s = now - self._since
        return age_s < LONGEST_S and (age_s < UNKNOWN_S if built is None else built == self._built)

    async def _fits(self) -> bool:
        if await self._size() <= self._most:
            return True
        self._spent_s = float("-inf")  # of this build it is not asked again
        return False

    async def _ask(self, authors: list[int]) -> Posts:
        parts = [authors[i : i + NAMED] for i in range(0, len(authors), NAMED)] or [EVERYBODY]
        rows = await asyncio.gather(*map(self._ask_some, parts))
        columns = Columns((name, np.concatenate([part[name] for part in rows])) for name in rows[0])
        return Posts.of(columns, self._source, whole=not authors)
