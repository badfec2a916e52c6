"""Candidates: the posts that some source proposed for one viewer, as a table of whole numbers.

The sources and how far each may reach (task list T037-T039). SQL applies the limits; the numbers live here:

| source   | what                                        | window | rows  |
|----------|---------------------------------------------|--------|-------|
| FOLLOWEE | posts of authors the viewer follows         | 72 h   | 500   |
| TRENDING | top by likes + 2 comments + 3 shares        | 24 h   | 200   |
| AFFINITY | posts of authors the viewer interacted with | 90 d   | 200   |
| TIMELINE | PostgreSQL's newest, when ClickHouse is away | none  | caller's |
| EXPLORATION | new authors' newest, for cold viewers      | 24 h   | 100   |
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import numpy.typing as npt

from nova_feed.ranking.arrays import INT64_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_feed.ranking.arrays import Ints, Rows


class Source(IntFlag):
    """Who proposed a post; a post proposed by several carries all their bits."""

    FOLLOWEE = 1
    TRENDING = 2
    AFFINITY = 4
    TIMELINE = 8
    EXPLORATION = 16


class Reach(NamedTuple):
    """How far back a source looks (hours) and how many posts it may propose to one viewer."""

    window_hours: int
    rows: int


FOLLOWEE_REACH = Reach(window_hours=72, rows=500)
TRENDING_REACH = Reach(window_hours=24, rows=200)
AFFINITY_REACH = Reach(window_hours=90 * 24, rows=200)
EXPLORATION_REACH = Reach(window_hours=24, rows=100)

COLUMNS = ("post_id", "author_id", "created_ms", "likes", "comments", "shares", "exposures", "interactions", "sources")
_INTERACTIONS, _SOURCES = COLUMNS.index("interactions"), COLUMNS.index("sources")
_COUNTS = frozenset({"likes", "comments", "shares", "exposures", "interactions"})
_ALL_SOURCES = int(~Source(0))


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """n rows; every column is a 1-D array of length n. Build it with ``make``; nobody writes into it.

    ``created_ms`` is UTC milliseconds. ``likes``, ``comments``, ``shares`` and ``exposures`` count the post,
    ``interactions`` all of the viewer's interactions with the author; counts are >= 0. ``sources`` holds Source bits.

    ``table`` is int64 of shape (n, 9), row after row, in the order of ``COLUMNS``: 500 rows of 100,000 posts are 500
    places in memory and not 4,500. Columns are views of it.
    """

    table: Ints

    @classmethod
    def make(
        cls,
        *,
        post_id: npt.ArrayLike,
        author_id: npt.ArrayLike,
        created_ms: npt.ArrayLike,
        likes: npt.ArrayLike = 0,
        comments: npt.ArrayLike = 0,
        shares: npt.ArrayLike = 0,
        exposures: npt.ArrayLike = 0,
        interactions: npt.ArrayLike = 0,
        sources: npt.ArrayLike,
    ) -> Self:
        """Check and copy the columns. One number stands for a whole column.

        Raises ValueError, naming the field, for anything but whole numbers of 64 bits in one dimension, for another
        length than ``post_id``'s, for a negative count, and for sources that are not a set of at least one Source.
        """
        given = (post_id, author_id, created_ms, likes, comments, shares, exposures, interactions, sources)
        ids = _column("post_id", post_id, None)
        table = np.empty((len(ids), len(COLUMNS)), dtype=np.int64)
        for at, (name, values) in enumerate(zip(COLUMNS, given, strict=True)):
            table[:, at] = _column(name, values, len(ids))
        _check_sources(table[:, _SOURCES])
        return cls(table)

    @classmethod
    def empty(cls) -> Self:
        """No candidates."""
        return cls.make(post_id=[], author_id=[], created_ms=[], sources=[])

    @classmethod
    def concat(cls, parts: Sequence[Candidates]) -> Self:
        """The rows of all parts, one part after the other; no parts make an empty struct."""
        return cls(np.concatenate([part.table for part in parts])) if parts else cls.empty()

    def take(self, rows: Rows) -> Candidates:
        """The rows asked for, in that order. Raises IndexError for a row that is not there."""
        if isinstance(rows, slice) or rows.dtype == np.bool_:
            return Candidates(self.table[rows])
        return Candidates(self.table.take(rows, axis=0))

    def with_interactions(self, interactions: Ints) -> Candidates:
        """The same rows with these numbers of the viewer's interactions with their authors."""
        table = self.table.copy()
        table[:, _INTERACTIONS] = interactions
        return Candidates(table)

    def of_source(self, source: Source) -> Candidates:
        """The same rows, proposed by this source."""
        table = self.table.copy()
        table[:, _SOURCES] = source
        return Candidates(table)

    def __len__(self) -> int:
        return len(self.table)

    @property
    def post_id(self) -> Ints:
        return self.table[:, 0]

    @property
    def author_id(self) -> Ints:
        return self.table[:, 1]

    @property
    def created_ms(self) -> Ints:
        return self.table[:, 2]

    @property
    def likes(self) -> Ints:
        return self.table[:, 3]

    @property
    def comments(self) -> Ints:
        return self.table[:, 4]

    @property
    def shares(self) -> Ints:
        return self.table[:, 5]

    @property
    def exposures(self) -> Ints:
        return self.table[:, 6]

    @property
    def interactions(self) -> Ints:
        return self.table[:, _INTERACTIONS]

    @property
    def sources(self) -> Ints:
        return self.table[:, _SOURCES]


def merge(candidates: Candidates) -> Candidates:
    """One row per post, by post_id ascending, whatever the order of the rows that came in.

    The sources of a post's rows are united. Where its rows disagree on a number (two queries read the counters at
    two moments) the largest wins, so that merging is idempotent, commutative and associative.
    """
    ids = candidates.post_id
    if bool((ids[1:] > ids[:-1]).all()):
        return candidates
    rows = candidates.take(np.argsort(ids)).table  # which row of a post comes first makes no difference
    is_first = np.append(True, rows[1:, 0] != rows[:-1, 0])
    if bool(is_first.all()):
        return Candidates(rows)
    starts = np.flatnonzero(is_first)
    counts = np.diff(np.append(starts, len(rows)))
    merged, several = rows.take(starts, axis=0), counts > 1
    alike = rows[np.repeat(several, counts)]  # the rows of posts that have more than one
    begins = np.cumsum(counts[several]) - counts[several]
    merged[several] = np.maximum.reduceat(alike, begins, axis=0)
    merged[several, _SOURCES] = np.bitwise_or.reduceat(alike[:, _SOURCES], begins)
    return Candidates(merged)


def _column(name: str, values: npt.ArrayLike, length: int | None) -> Ints:
    array = np.asarray(values)
    if array.ndim == 0 and length is not None:
        array = np.full(length, array)
    if array.ndim != 1:
        raise ValueError(f"candidates: {name} has {array.ndim} dimensions; it must have one")
    if length is not None and len(array) != length:
        raise ValueError(f"candidates: {name} has {len(array)} rows where post_id has {length}")
    if not len(array):
        return np.empty(0, dtype=np.int64)
    _check_numbers(name, array)
    return array.astype(np.int64, copy=False)


def _check_numbers(name: str, array: npt.NDArray[np.generic]) -> None:
    if array.dtype.kind not in "iu" or (array.dtype == np.uint64 and int(array.max()) > INT64_MAX):
        raise ValueError(f"candidates: {name} is {array.dtype}; it must be whole numbers that fit in 64 signed bits")
    if name in _COUNTS and int(array.min()) < 0:
        raise ValueError(f"candidates: {name} is {array.min()} in row {array.argmin()}; a count must be >= 0")


def _check_sources(sources: Ints) -> None:
    if len(sources) and not 1 <= int(sources.min()) <= int(sources.max()) <= _ALL_SOURCES:
        raise ValueError(f"candidates: sources must be a set of {', '.join(s.name or '' for s in Source)}, not empty")
