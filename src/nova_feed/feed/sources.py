"""Candidates of a group of viewers: ClickHouse says what it knows of each viewer and each author (one query for all of
them), and the posts of those authors are in this process, or are asked for (``feed/posts.py``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from nova_feed.clock import Clock
from nova_feed.feed.posts import Posts, PostTable, counted
from nova_feed.feed.slices import Slices
from nova_feed.model import CANARY_AUTHOR
from nova_feed.ranking import AFFINITY_REACH, FOLLOWEE_REACH, Candidates, Source, ViewerRules
from nova_feed.store.client import Store
from nova_feed.store.native import Columns

FOLLOWS, UNFOLLOWED, BLOCKED, MUTED = 1, 2, 4, 8
CLOSE = 40  # authors, those the viewer interacted with most
HOT, NEWEST = "hot_posts", "author_posts"
TRENDING_AGE_S, EXPLORATION_AGE_S = 1.0, 5.0
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """What one viewer's list is ranked from: candidates not yet merged, the rules as the store knows them, and whom the
    viewer follows of the authors."""

    candidates: Candidates
    rules: ViewerRules
    followees: Ints
    cold: bool = False  # nothing is known of the viewer: no follows, no interactions


class Sources:
    """Reads proposals. Raises StoreUnavailableError."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._slices = store, Slices()
        self._hot = PostTable(
            lambda authors: store.select("hot_posts", authors=authors), partial(self._size, HOT), Source.FOLLOWEE, clock
        )
        self._newest = PostTable(
            lambda authors: store.select("author_posts", authors=authors), partial(self._size, NEWEST),
            Source.AFFINITY, clock,
        )  # fmt: skip
        self._trending = Shared(clock, TRENDING_AGE_S, self._ask_trending)
        self._fresh = Shared(clock, EXPLORATION_AGE_S, self._ask_fresh)

    async def propose(self, viewers: Sequence[int], builds: Mapping[str, str]) -> Mapping[int, Proposal]:
        """One proposal for each viewer; ``builds``: the newest build of each table, of which no older one is used."""
        pairs, trending, fresh = await asyncio.gather(
            self._store.select("pairs", viewers=list(viewers)), self._trending.get(), self._fresh.get()
        )
        known = {}
        for viewer, rows in _by_viewer(pairs, viewers).items():
            await self._slices.turn()
            known[viewer] = Known.of(viewer, pairs, rows)
        hot, newest = await asyncio.gather(
            self._hot.of(_united(one.followees for one in known.values()), builds.get(HOT)),
            self._newest.of(_united(one.close for one in known.values()), builds.get(NEWEST)),
        )
        proposals = {}
        for viewer, one in known.items():
            await self._slices.turn()
            proposals[viewer] = one.proposal(hot, newest, trending, fresh)
        return proposals

    async def _size(self, table: str) -> int:
        return int((await self._store.select("table_sizes"))[table][0])

    async def _ask_trending(self) -> Candidates:
        return counted(await self._store.select("trending"), Source.TRENDING)

    async def _ask_fresh(self) -> Candidates:
        return counted(await self._store.select("exploration", canary=CANARY_AUTHOR), Source.EXPLORATION)


class Shared:
    """An answer that is the same for everybody. Older than ``age_s`` it is asked for anew, behind whoever comes then;
    they wait for it where it is older than twice that."""

    def __init__(self, clock: Clock, age_s: float, ask: Callable[[], Awaitable[Candidates]]) -> None:
        self._clock, self._age_s, self._ask = clock, age_s, ask
        self._known: tuple[float, Candidates] | None = None
        self._asking: asyncio.Task[Candidates] | None = None

    async def get(self) -> Candidates:
        """The answer. Raises StoreUnavailableError."""
        now, known = self._clock.monotonic(), self._known
        if known is not None and now - known[0] <= self._age_s:
            return known[1]
        if self._asking is None:
            self._asking = asyncio.create_task(self._anew(now))
            self._asking.add_done_callback(self._told)
        if known is not None and now - known[0] <= 2 * self._age_s:
            return known[1]
        return await asyncio.shield(self._asking)

    async def _anew(self, now: float) -> Candidates:
        answer = await self._ask()
        self._known = (now, answer)
        return answer

    def _told(self, asking: asyncio.Task[Candidates]) -> None:
        self._asking = None
        if not asking.cancelled():
            asking.exception()  # whoever waits has it; it may be nobody


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What ClickHouse knows of a viewer and others: ``authors`` (ascending), to each of them ``interactions`` and a
    ``relation`` (bits); ``close``: whom the viewer interacted with most, the closest first."""

    viewer: int
    authors: Ints
    interactions: Ints
    relation: Ints
    close: Ints

    @classmethod
    def of(cls, viewer: int, pairs: Columns, rows: Ints) -> Known:
        """The rows of a viewer."""
        rows = rows[np.argsort(pairs["author_id"][rows])]
        authors, interactions = pairs["author_id"][rows], pairs["interactions"][rows]
        by_interactions = np.argsort(-interactions, kind="stable")[:CLOSE]
        close = authors[by_interactions[interactions[by_interactions] > 0]]
        return cls(viewer, authors, interactions, pairs["relation"][rows], close)

    @property
    def followees(self) -> Ints:
        """Whom the viewer follows."""
        return self._related(FOLLOWS)

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
        known = replace(together, interactions=self._with(together.author_id))
        return Proposal(known, rules, followees, cold=cold)

    def _related(self, bit: int) -> Ints:
        return self.authors[self.relation & bit > 0]

    def _with(self, authors: Ints) -> Ints:
        """The viewer's interactions with each of these authors."""
        return _look_up(authors, self.authors, self.interactions)


def _united(groups: Iterable[Ints]) -> Ints:
    return np.unique(np.concatenate([_NOBODY, *groups]))


_NOBODY: Ints = np.empty(0, dtype=np.int64)


def _look_up(wanted: Ints, keys: Ints, values: Ints) -> Ints:
    """values of the (ascending) keys that are wanted; 0 for a key that is not there."""
    if not len(keys):
        return np.zeros(len(wanted), dtype=np.int64)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found: Ints = np.where(keys[at] == wanted, values[at], 0)
    return found


def _by_viewer(columns: Columns, viewers: Sequence[int]) -> dict[int, Ints]:
    """viewer -> the rows of that viewer."""
    order = np.argsort(columns["viewer_id"], kind="stable")
    of = columns["viewer_id"][order]
    begins, ends = np.searchsorted(of, viewers), np.searchsorted(of, viewers, side="right")
    return {viewer: order[begin:end] for viewer, begin, end in zip(viewers, begins, ends, strict=True)}
