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

from bisect import bisect_left
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
) -> Arrangement:
    """Arrange posts, given by their authors in score order, so that the rule holds or is lawfully relaxed.

    ``history`` holds the authors served just before, the most recent last: the first place follows upon it.
    ``start`` is the position of the first place in the viewer's list. Authors of a history longer than ``start``
    stood in an earlier list: they count for the distance, not for the top.
    Costs O(n) as a rule and O(n * (top + distance)) at worst, also when all posts have one author.
    """
    appearances = _Appearances(rule)
    served = np.asarray(history, dtype=np.int64).tolist()
    for position, author in enumerate(served, start - len(served)):
        appearances.add(author, position)
    return _Arranger(np.asarray(author_ids, dtype=np.int64), rule, appearances).arrange(start)


class _Appearances:
    """Where each author stood last, and from which position on he is admissible again."""

    __slots__ = ("_in_top", "_rule", "free_at", "last")

    def __init__(self, rule: Saturation) -> None:
        self._rule = rule
        self._in_top: dict[int, int] = {}
        self.last: dict[int, int] = {}
        self.free_at: dict[int, int] = {}

    def add(self, author: int, position: int) -> None:
        """The author appears at this position; positions come in ascending order."""
        free_at = position + self._rule.distance
        if 0 <= position < self._rule.top:
            self._in_top[author] = self._in_top.get(author, 0) + 1
            if self._in_top[author] >= self._rule.max_in_top:
                free_at = max(free_at, self._rule.top)
        self.last[author] = position
        self.free_at[author] = free_at


class _Arranger:
    """Fills the places of one list, first to last, with rows in score order.

    Rows whose author must wait are *held*, and every held row is better scored than any row not looked at yet. A row is
    held only while no held author is admissible; authors inadmissible at one position are fewer than top + distance,
    and so are the held ones.

    Most rows stay where they are: where nothing is held and the places just filled hold their own rows, all rows up to
    the next one too near to its author's previous row keep their places, and are not looked at one by one.
    """

    def __init__(self, authors: Ints, rule: Saturation, appearances: _Appearances) -> None:
        self._rule = rule
        self._authors: list[int] = authors.tolist()
        self._crowded = _crowded_rows(authors, rule.distance)
        self._appearances = appearances
        self._held: dict[int, deque[int]] = {}
        self._next = 0  # the first row not looked at
        self._calm = 0  # how many places in a row, up to the last one filled, hold their own rows

    def arrange(self, start: int) -> Arrangement:
        """Fill all places; the first is at position ``start``."""
        count = len(self._authors)
        order, relaxed = np.arange(count), np.zeros(count, dtype=np.bool_)
        place = 0
        while place < count:
            if self._undisturbed(start + place):
                place = self._skip_run(start, place)
            else:
                row, relaxed[place] = self._pick(start + place)
                order[place] = row
                self._calm = self._calm + 1 if row == place else 0
                place += 1
        return Arrangement(order, relaxed)

    def _undisturbed(self, position: int) -> bool:
        return not self._held and self._calm >= self._rule.distance - 1 and position >= self._rule.top

    def _skip_run(self, start: int, place: int) -> int:
        """Leave rows in their own places up to the next crowded row, and answer with that row's place."""
        following = bisect_left(self._crowded, place)
        end = self._crowded[following] if following < len(self._crowded) else len(self._authors)
        for row in range(max(place, end - self._rule.distance + 1), end):
            self._appearances.add(self._authors[row], start + row)
        self._next, self._calm = end, 0
        return end

    def _pick(self, position: int) -> tuple[int, bool]:
        """The row that stands at this position, and whether the rule was relaxed for it."""
        author = self._best_held(position) if self._held else None
        if author is None:
            author = self._scan(position)
        relaxed = author is None
        if author is None:
            author = min(self._held, key=self._appearances.last.__getitem__)
        self._appearances.add(author, position)
        return self._take(author), relaxed

    def _best_held(self, position: int) -> int | None:
        """Of the held authors who are admissible, the one with the best row."""
        free_at = self._appearances.free_at
        admissible = [(rows[0], author) for author, rows in self._held.items() if free_at[author] <= position]
        return min(admissible)[1] if admissible else None

    def _scan(self, position: int) -> int | None:
        """Look at further rows until an author is admissible, and hold the others."""
        free_at = self._appearances.free_at
        while self._next < len(self._authors):
            author = self._authors[self._next]
            if free_at.get(author, position) <= position:
                return author
            self._held.setdefault(author, deque()).append(self._next)
            self._next += 1
        return None

    def _take(self, author: int) -> int:
        """Take out the author's best row: his first held one, or else the row the scan stopped at."""
        rows = self._held.get(author)
        if rows is None:
            self._next += 1
            return self._next - 1
        if len(rows) == 1:
            del self._held[author]
        return rows.popleft()


def _crowded_rows(authors: Ints, distance: int) -> list[int]:
    """The rows with a row of the same author less than ``distance`` before them, ascending."""
    crowded = np.zeros(len(authors), dtype=np.bool_)
    for gap in range(1, min(distance, len(authors))):
        crowded[gap:] |= authors[gap:] == authors[:-gap]
    return np.flatnonzero(crowded).tolist()
