"""What ClickHouse knows of viewers, and what of it this process keeps.

To ask costs ClickHouse some 10 ms for a viewer alone and 1 ms in a crowd, and on a loaded machine that is most of what
a list waits for. What is answered changes when ``affinity`` is rebuilt, about once a minute, and when a viewer follows,
blocks or mutes, which capture tells every API process (``feed/changes.py``). So it is kept until then, and for
``TRUSTED_S`` at most, since not everything is told. Capture may tell it before ClickHouse has it: of a viewer touched
within ``UNSETTLED_S`` nothing is kept.

All pairs of a network of 10,000 cost ClickHouse as much as those of 200 viewers asked for in groups of 16. So it is
asked for everybody once what it was asked of some took as long as that (ski rental, as in ``feed/posts.py``), if
all of it fits into a process, and then again as it changes, as long as it is needed: the old answers meanwhile.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from nova_feed.clock import Clock
from nova_feed.feed.posts import Posts
from nova_feed.ranking import AFFINITY_REACH, FOLLOWEE_REACH, Candidates, ViewerRules
from nova_feed.store.client import Store
from nova_feed.store.native import Columns

FOLLOWS, UNFOLLOWED, BLOCKED, MUTED = 1, 2, 4, 8
CLOSE = 40  # authors, those the viewer interacted with most
TRUSTED_S = 120.0
LATE_S = 5.0  # how long what is known of everybody answers after affinity was built anew, where many ask
NEEDED = 50  # viewers whom it answered for, and it is asked for again when it is old, and not done without at once
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
        return cls.make(viewer, *(pairs[name][rows] for name in ("author_id", "interactions", "relation")))

    @classmethod
    def make(cls, viewer: int, authors: Ints, interactions: Ints, relation: npt.NDArray[Any]) -> Known:
        """From columns of one row an author, ascending."""
        by_interactions = np.argsort(-interactions, kind="stable")[:CLOSE]
        close = authors[by_interactions[interactions[by_interactions] > 0]]
        return cls(viewer, authors, interactions, relation.astype(np.uint8), close)

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
class Pairs:
    """Pairs of viewer and author, ascending, a number to each: those of ``viewers[i]`` are the rows from
    ``starts[i]`` up to ``starts[i + 1]`` of ``authors`` and ``values``."""

    viewers: Ints
    starts: Ints
    authors: Ints
    values: npt.NDArray[Any]

    @classmethod
    def of(cls, rows: Columns, value: str) -> Pairs:
        """Take over an answer of ClickHouse, rows in the order of viewers and authors."""
        viewer = rows["viewer_id"]
        begins = np.flatnonzero(np.append(len(viewer) > 0, viewer[1:] != viewer[:-1]))[: len(viewer)]
        return cls(viewer[begins], np.append(begins, len(viewer)), rows["author_id"], rows[value])

    def to(self, viewer: int) -> tuple[Ints, npt.NDArray[Any]]:
        """The authors of a viewer's pairs, and their numbers."""
        at = int(np.searchsorted(self.viewers, viewer))
        there = at < len(self.viewers) and self.viewers[at] == viewer
        span = slice(self.starts[at], self.starts[at + 1]) if there else slice(0)
        return self.authors[span], self.values[span]


@dataclass(frozen=True, slots=True, eq=False)
class Everybody:
    """What ClickHouse knows of all viewers: 9 bytes a follow, block or mute, 16 for each pair who interacted."""

    follows: Pairs
    walls: Pairs  # blocks and mutes
    interactions: Pairs

    @classmethod
    async def read(cls, store: Store) -> Everybody:
        """Ask for all of it. Raises StoreUnavailableError."""
        follows = Pairs.of(await store.whole("everybodys_follows"), "relation")
        walls = Pairs.of(await store.whole("everybodys_walls"), "relation")
        return cls(follows, walls, Pairs.of(await store.whole("everybodys_interactions"), "interactions"))

    def known(self, viewer: int) -> Known:
        """What there is of one of them."""
        (followed, follow), (walled, wall) = self.follows.to(viewer), self.walls.to(viewer)
        met, often = self.interactions.to(viewer)
        authors = np.unique(np.concatenate([followed, walled, met]))
        interactions, relation = np.zeros(len(authors), np.int64), np.zeros(len(authors), np.uint8)
        interactions[np.searchsorted(authors, met)] = often
        relation[np.searchsorted(authors, followed)] = follow
        relation[np.searchsorted(authors, walled)] |= wall.astype(np.uint8)  # of no rows at all it is int64
        return Known.make(viewer, authors, interactions, relation)


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    known: Known
    built: str  # the build of affinity that it was read from, or an older one
    asked: float


@dataclass(slots=True, eq=False)
class _All:
    known: Everybody
    built: str
    asked: float
    answered: int = 0
    old: bool = False
    late_since: float | None = None  # when a newer build was seen first


class KnownViewers:
    """What is known of viewers, the ones asked for last first to stay. Somebody has to call ``touched`` and ``forget``
    when something changes."""

    def __init__(self, clock: Clock, *, most_bytes: int = MOST_BYTES) -> None:
        self._clock, self._most_bytes = clock, most_bytes
        self._all: OrderedDict[int, _Kept] = OrderedDict()
        self._bytes = 0
        self._everybody: _All | None = None
        self._touched: dict[int, float] = {}
        self._many = REMEMBERED  # of those touched: past it the ones of long ago are forgotten
        self._forgot = float("-inf")

    def __len__(self) -> int:
        return len(self._all)

    def of(self, viewers: Iterable[int], built: str | None) -> dict[int, Known]:
        """Those of the viewers of whom is kept what holds still; ``built``: the newest build of affinity."""
        now, found = self._clock.monotonic(), dict[int, Known]()
        everybody = self._whole(built, now)
        for viewer in viewers:
            kept = self._all.get(viewer)
            if kept is not None and kept.built == built and now - kept.asked <= TRUSTED_S:
                self._all.move_to_end(viewer)
                found[viewer] = kept.known
                continue
            if built is not None:
                self._drop(viewer)
            if everybody is not None and self._settled(viewer, everybody.asked):
                found[viewer] = everybody.known.known(viewer)
                everybody.answered += 1
        return found

    def keep(self, answers: Iterable[Known], built: str | None, asked: float) -> None:
        """Keep what ClickHouse answered to a question of ``asked`` (monotonic), when ``built`` was the newest build."""
        if built is None or self._forgot >= asked:
            return
        for known in answers:
            if self._settled(known.viewer, asked):
                self._drop(known.viewer)
                self._all[known.viewer] = _Kept(known, built, asked)
                self._bytes += known.size
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._all)))

    def keep_everybody(self, everybody: Everybody, built: str, asked: float) -> None:
        """Keep what was answered of all viewers, to questions of ``asked`` and later; in place of what there is."""
        if self._forgot < asked:
            self._clear()
            self._everybody = _All(everybody, built, asked)

    def worn(self) -> bool:
        """Whether it is time to ask for everybody again."""
        everybody = self._everybody
        return everybody is not None and everybody.old and everybody.answered >= NEEDED

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
        self._clear()
        self._forgot = self._clock.monotonic()

    def _whole(self, built: str | None, now: float) -> _All | None:
        """What is known of everybody, while it holds."""
        everybody = self._everybody
        if everybody is None or built is None:
            return None
        age_s = now - everybody.asked
        if everybody.built != built and everybody.late_since is None:
            everybody.late_since = now
        everybody.old = everybody.late_since is not None or age_s > TRUSTED_S / 2
        late_s = None if everybody.late_since is None else now - everybody.late_since
        if age_s > TRUSTED_S or (late_s is not None and (late_s > LATE_S or everybody.answered < NEEDED)):
            self._everybody = None
        return self._everybody

    def _settled(self, viewer: int, asked: float) -> bool:
        """Whether a question of ``asked`` was answered with all that was told of this viewer."""
        return self._touched.get(viewer, float("-inf")) < asked - UNSETTLED_S

    def _clear(self) -> None:
        self._all.clear()
        self._bytes = 0
        self._everybody = None

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
