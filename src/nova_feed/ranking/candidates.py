"""Candidates: the posts that some source proposed for one viewer, as a struct of equal-length arrays.

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

from dataclasses import dataclass, fields
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

_COUNTS = frozenset({"likes", "comments", "shares", "exposures", "interactions"})
_ALL_SOURCES = int(~Source(0))


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """n rows; every field is a 1-D array of length n. Build it with ``make``; nobody writes into the arrays.

    ``created_ms`` is UTC milliseconds. ``likes``, ``comments``, ``shares`` and ``exposures`` count the post,
    ``interactions`` all of the viewer's interactions with the author; counts are >= 0. ``sources`` holds Source bits.
    """

    post_id: Ints
    author_id: Ints
    created_ms: Ints
    likes: Ints
    comments: Ints
    shares: Ints
    exposures: Ints
    interactions: Ints
    sources: npt.NDArray[np.uint8]

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
        """Check and take over the columns; int64 arrays are shared, not copied. One number stands for a whole column.

        Raises ValueError, naming the field, for anything but whole numbers of 64 bits in one dimension, for another
        length than ``post_id``'s, for a negative count, and for sources that are not a set of at least one Source.
        """
        ids = _column("post_id", post_id, None)
        return cls(
            post_id=ids,
            author_id=_column("author_id", author_id, len(ids)),
            created_ms=_column("created_ms", created_ms, len(ids)),
            likes=_column("likes", likes, len(ids)),
            comments=_column("comments", comments, len(ids)),
            shares=_column("shares", shares, len(ids)),
            exposures=_column("exposures", exposures, len(ids)),
            interactions=_column("interactions", interactions, len(ids)),
            sources=_source_bits(_column("sources", sources, len(ids))),
        )

    @classmethod
    def empty(cls) -> Self:
        """No candidates."""
        return cls.make(post_id=[], author_id=[], created_ms=[], sources=[])

    @classmethod
    def concat(cls, parts: Sequence[Candidates]) -> Self:
        """The rows of all parts, one part after the other; no parts make an empty struct."""
        if not parts:
            return cls.empty()
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in _NAMES})

    def take(self, rows: Rows) -> Candidates:
        """The rows asked for, in that order. Raises IndexError for a row that is not there."""
        return Candidates(*[getattr(self, name)[rows] for name in _NAMES])

    def __len__(self) -> int:
        return len(self.post_id)


_NAMES = tuple(field.name for field in fields(Candidates))


def merge(candidates: Candidates) -> Candidates:
    """One row per post, by post_id ascending, whatever the order of the rows that came in.

    The sources of a post's rows are united. Where its rows disagree on a number (two queries read the counters at
    two moments) the largest wins, so that merging is idempotent, commutative and associative.
    """
    if bool((candidates.post_id[1:] > candidates.post_id[:-1]).all()):
        return candidates
    by_post = candidates.take(np.argsort(candidates.post_id, kind="stable"))
    is_first = np.append(True, by_post.post_id[1:] != by_post.post_id[:-1])
    if bool(is_first.all()):
        return by_post
    starts = np.flatnonzero(is_first)
    largest = {name: np.maximum.reduceat(getattr(by_post, name), starts) for name in _NAMES if name != "sources"}
    return Candidates(**largest, sources=np.bitwise_or.reduceat(by_post.sources, starts))


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


def _source_bits(sources: Ints) -> npt.NDArray[np.uint8]:
    if len(sources) and not 1 <= int(sources.min()) <= int(sources.max()) <= _ALL_SOURCES:
        raise ValueError(f"candidates: sources must be a set of {', '.join(s.name or '' for s in Source)}, not empty")
    return sources.astype(np.uint8)
