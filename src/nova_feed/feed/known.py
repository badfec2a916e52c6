"""What ClickHouse knows of viewers, and what of it this process keeps.

To ask costs ClickHouse some 10 ms for a viewer alone and 1 ms in a crowd, and on a loaded machine that is most of what
a list waits for. What is answered changes when ``affinity`` is rebuilt, about once a minute, and when a viewer follows,
blocks or mutes, which capture tells every API process (``feed/changes.py``). So it is kept until then, and for
``TRUSTED_S`` at most, since not everything is told. Capture may tell it before ClickHouse has it: of a viewer touched
within ``UNSETTLED_S`` nothing is kept.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from nova_feed.clock import Clock
from nova_feed.feed.posts import Posts
from nova_feed.ranking import AFFINITY_REACH, FOLLOWEE_REACH, Candidates, ViewerRules
from nova_feed.store.native import Columns

FOLLOWS, UNFOLLOWED, BLOCKED, MUTED = 1, 2, 4, 8
CLOSE = 40  # authors, those the viewer interacted with most
TRUSTED_S = 120.0
UNSETTLED_S = 10.0  # twice as long as lists are kept from being made of what was before (workers/relations.py)
MOST_BYTES = 64 << 20  # of all viewers; one with 100 follows and 100 authors liked takes 4 KiB
SPARE_BYTES = 900  # what a viewer costs beside the numbers, by tracemalloc
REMEMBERED = 10_000  # viewers touched
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """What one viewer's list is ranked from: candidates not yet merged, the rules as the store knows them, and whom the
    viewer follows of the authors."""

    candidates: Candidates
    rules: ViewerRules
    followees: Ints
    cold: bool = False  # nothing is known of the viewer: no follows, no interactions


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What ClickHouse knows of a viewer and others: ``authors`` (ascending), to each of them ``interactions`` and a
    ``relation`` (bits); ``close``: whom the viewer interacted with most, the closest first."""

    viewer: int
    authors: Ints
    interactions: Ints
    relation: npt.NDArray[np.uint8]
    close: Ints

    @classmethod
    def of(cls, viewer: int, pairs: Columns, rows: Ints) -> Known:
        """The rows of a viewer."""
        rows = rows[np.argsort(pairs["author_id"][rows])]
        authors, interactions = pairs["author_id"][rows], pairs["interactions"][rows]
        by_interactions = np.argsort(-interactions, kind="stable")[:CLOSE]
        close = authors[by_interactions[interactions[by_interactions] > 0]]
        return cls(viewer, authors, interactions, pairs["relation"][rows].astype(np.uint8), close)

    @property
    def followees(self) -> Ints:
        """Whom the viewer follows."""
        return self._related(FOLLOWS)

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return SPARE_BYTES + sum(one.nbytes for one in (self.authors, self.interactions, self.relation, self.close))

    def proposal(self, hot: Posts, newest: Posts, trending: Candidates, fresh: Candidates) -> Proposal:
        """What a list of this viewer is ranked from."""
        followees = self.followees
        cold = not (len(followees) or len(self.close))
        parts = [
            hot.candidates.take(hot.newest(followees, FOLLOWEE_REACH.rows)),
            newest.candidates.take(newest.closest(self.close, self._with(self.close), AFFINITY_REACH.rows)),
            trending,
        ]
        together = Candidates.concat([*parts, fresh] if cold else parts)
        rules = ViewerRules(
            self.viewer, blocked_authors=self._related(BLOCKED), muted_authors=self._related(MUTED),
            unfollowed_authors=self._related(UNFOLLOWED),
        )  # fmt: skip
        known = together.with_interactions(self._with(together.author_id))
        return Proposal(known, rules, followees, cold=cold)

    def _related(self, bit: int) -> Ints:
        return self.authors[self.relation & bit > 0]

    def _with(self, authors: Ints) -> Ints:
        """The viewer's interactions with each of these authors."""
        return _look_up(authors, self.authors, self.interactions)


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    known: Known
    built: str  # the build of affinity that it was read from, or an older one
    asked: float


class KnownViewers:
    """What is known of viewers, the ones asked for last first to stay. Somebody has to call ``touched`` and ``forget``
    when something changes."""

    def __init__(self, clock: Clock, *, most_bytes: int = MOST_BYTES) -> None:
        self._clock, self._most_bytes = clock, most_bytes
        self._all: OrderedDict[int, _Kept] = OrderedDict()
        self._bytes = 0
        self._touched: dict[int, float] = {}
        self._many = REMEMBERED  # of those touched: past it the ones of long ago are forgotten
        self._forgot = float("-inf")

    def __len__(self) -> int:
        return len(self._all)

    def of(self, viewers: Iterable[int], built: str | None) -> dict[int, Known]:
        """Those of the viewers of whom is kept what holds still; ``built``: the newest build of affinity."""
        now, found = self._clock.monotonic(), dict[int, Known]()
        for viewer in viewers:
            kept = self._all.get(viewer)
            if kept is None:
                continue
            if kept.built != built or now - kept.asked > TRUSTED_S:
                if built is not None:
                    self._drop(viewer)
                continue
            self._all.move_to_end(viewer)
            found[viewer] = kept.known
        return found

    def keep(self, answers: Iterable[Known], built: str | None, asked: float) -> None:
        """Keep what ClickHouse answered to a question of ``asked`` (monotonic), when ``built`` was the newest build."""
        if built is None or self._forgot >= asked:
            return
        for known in answers:
            if self._touched.get(known.viewer, float("-inf")) < asked - UNSETTLED_S:
                self._drop(known.viewer)
                self._all[known.viewer] = _Kept(known, built, asked)
                self._bytes += known.size
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._all)))

    def touched(self, viewer: int) -> None:
        """Something changed for this viewer."""
        self._drop(viewer)
        now = self._clock.monotonic()
        self._touched[viewer] = now
        if len(self._touched) > self._many:
            self._touched = {one: at for one, at in self._touched.items() if now - at < UNSETTLED_S + TRUSTED_S}
            self._many = max(REMEMBERED, 2 * len(self._touched))  # not gone through for each of a million

    def forget(self) -> None:
        """Something may have changed for anybody."""
        self._all.clear()
        self._bytes = 0
        self._forgot = self._clock.monotonic()

    def _drop(self, viewer: int) -> None:
        kept = self._all.pop(viewer, None)
        if kept is not None:
            self._bytes -= kept.known.size


def _look_up(wanted: Ints, keys: Ints, values: Ints) -> Ints:
    """values of the (ascending) keys that are wanted; 0 for a key that is not there."""
    if not len(keys):
        return np.zeros(len(wanted), dtype=np.int64)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found: Ints = np.where(keys[at] == wanted, values[at], 0)
    return found


def by_viewer(columns: Columns, viewers: Sequence[int]) -> dict[int, Ints]:
    """viewer -> the rows of that viewer."""
    order = np.argsort(columns["viewer_id"], kind="stable")
    of = columns["viewer_id"][order]
    begins, ends = np.searchsorted(of, viewers), np.searchsorted(of, viewers, side="right")
    return {viewer: order[begin:end] for viewer, begin, end in zip(viewers, begins, ends, strict=True)}
