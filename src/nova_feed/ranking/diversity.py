"""Author saturation: no author crowds the list.

At most ``max_in_top`` posts of an author within the first ``top`` positions, and at least ``distance`` positions from
one post of an author to his next (task list T042). A post is *admissible* at a position when both hold there, given
what stands before it. At each position the best-scored admissible post is taken; nothing is dropped.

**Relaxation.** Only when none of the remaining posts is admissible at a position, the post is taken whose author's last
appearance is farthest away (of his posts the best scored), and the position is marked. So whoever sees the list alone
can judge it: a violation at a position is lawful if and only if every later post would violate there too.

**Pages.** Arranging in one go and arranging page by page give the same, provided that each page arranges exactly the
posts not served so far, in the same score order, with ``start`` = how many were served, and with a ``history`` of at
least the last ``Saturation.memory`` authors served. And arranging a list that is already arranged changes nothing, so
a frozen list from which posts dropped out can simply be arranged again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_feed.ranking.arrays import Flags, Ints


@dataclass(frozen=True, slots=True)
class Saturation:
    """The rule's numbers. ``top=0`` leaves only the distance, ``distance=1`` only the top. Raises ValueError."""

    top: int = 5
    max_in_top: int = 1
    distance: int = 3

    def __post_init__(self) -> None:
        for name, least in (("top", 0), ("max_in_top", 1), ("distance", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"saturation: {name} is {getattr(self, name)}; it must be at least {least}")

    @property
    def memory(self) -> int:
        """How many of the authors served last decide about what may follow: all that a cursor has to remember."""
        return max(self.top, self.distance) - 1


@dataclass(frozen=True, slots=True, eq=False)
class Arrangement:
    """``order[i]`` is the row that stands at place i (a permutation); ``relaxed[i]``: no row was admissible there."""

    order: Ints
    relaxed: Flags


def saturate(
    author_ids: Ints | Sequence[int],
    rule: Saturation,
    *,
    history: Ints | Sequence[int] = (),
    start: int = 0,
    places: int | None = None,
) -> Arrangement:
    """Arrange posts, given by their authors in score order, so that the rule holds or is lawfully relaxed.

    With ``places``, only so many are filled; the other rows follow as they came.

    ``history`` holds the authors served just before, the most recent last: the first place follows upon it.
    ``start`` is the position of the first place in the viewer's list. Authors of a history longer than ``start``
    stood in an earlier list: they count for the distance, not for the top.
    Costs O(n) as a rule and O(n * (top + distance)) at worst, also when all posts have one author.
    """
    appearances = _Appearances(rule)
    served = np.asarray(history, dtype=np.int64).tolist()
    for position, author in enumerate(served, start - len(served)):
        appearances.add(author, position)
    authors = np.asarray(author_ids, dtype=np.int64).tolist()
    count = len(authors)
    positions = range(start, start + min(count, count if places is None else places))
    filled, relaxed = _fill(authors, appearances, positions, rule)
    rows, flags = np.array(filled, dtype=np.int64), np.zeros(count, dtype=np.bool_)
    flags[relaxed] = True
    left = np.ones(count, dtype=np.bool_)
    left[rows] = False
    return Arrangement(np.concatenate([rows, np.flatnonzero(left)]), flags)


class _Appearances:
    """From which position on each author is admissible again (``free_at``), and where he stood last.

    Whoever is placed beyond the top may be noted in ``free_at`` alone.
    """

    __slots__ = ("_in_top", "_last", "_rule", "free_at")

    def __init__(self, rule: Saturation) -> None:
        self._rule = rule
        self._in_top: dict[int, int] = {}
        self._last: dict[int, int] = {}
        self.free_at: dict[int, int] = {}

    def add(self, author: int, position: int) -> None:
        """The author appears at this position; positions come in ascending order."""
        free_at = position + self._rule.distance
        if 0 <= position < self._rule.top:
            self._in_top[author] = self._in_top.get(author, 0) + 1
            if self._in_top[author] >= self._rule.max_in_top:
                free_at = max(free_at, self._rule.top)
        self._last[author] = position
        self.free_at[author] = free_at

    def last_of(self, author: int) -> int:
        """Where the author stood last; he has stood somewhere."""
        beyond = self.free_at[author] - self._rule.distance
        return beyond if beyond >= self._rule.top else self._last[author]


def _as_scored(authors: list[int], row: int, free_at: dict[int, int], positions: range, distance: int) -> int:
    """How many rows from this one on stand at these positions one after the other, as in most of a list beyond its top;
    notes them."""
    first = row
    for position in positions:
        author = authors[row]
        if free_at.get(author, position) > position:
            break
        free_at[author] = position + distance
        row += 1
    return row - first


def _best_held(held: dict[int, deque[int]], free_at: dict[int, int], position: int, row: int) -> tuple[int, int]:
    """The first held row before ``row`` that is admissible at this position, and its author; ``row`` when none is."""
    author = 0
    for waiting, rows in held.items():
        if rows[0] < row and free_at[waiting] <= position:
            row, author = rows[0], waiting
    return row, author


def _fill(
    authors: list[int], appearances: _Appearances, positions: range, rule: Saturation
) -> tuple[list[int], list[int]]:
    """The row at each position, and the places (from 0) where the rule was relaxed.

    Rows whose author must wait are *held*, and every held row is better scored than any row not looked at yet. A row is
    held only while no held author is admissible; authors inadmissible at one position are fewer than top + distance,
    and so are the held ones. One function with few calls, because it is half of what ranking costs.
    """
    free_at, count, distance, top = appearances.free_at, len(authors), rule.distance, rule.top
    held: dict[int, deque[int]] = {}
    order: list[int] = []
    relaxed: list[int] = []
    following, position = 0, positions.start  # the first row not looked at, and the first place not filled
    while position < positions.stop:
        if not held and position >= top:
            run = _as_scored(authors, following, free_at, range(position, positions.stop), distance)
            order += range(following, following + run)
            following, position = following + run, position + run
            if position == positions.stop:
                break
        row, author = _best_held(held, free_at, position, count) if held else (count, 0)
        if row == count:
            while following < count:
                author = authors[following]
                following += 1
                if author not in free_at or free_at[author] <= position:
                    row = following - 1
                    break
                held.setdefault(author, deque()).append(following - 1)
        if row == count:
            author = min(held, key=appearances.last_of)
            relaxed.append(position - positions.start)
        if author in held:
            row = held[author].popleft()
            if not held[author]:
                del held[author]
        if position < top:
            appearances.add(author, position)
        else:
            free_at[author] = position + distance
        order.append(row)
        position += 1
    return order, relaxed
