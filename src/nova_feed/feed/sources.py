"""Candidates from ClickHouse: three sources for a group of viewers, with what is known of each viewer and author."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from nova_feed.clock import Clock
from nova_feed.model import CANARY_AUTHOR
from nova_feed.ranking import Candidates, Source, ViewerRules
from nova_feed.store.client import Store
from nova_feed.store.native import Columns

FOLLOWS, UNFOLLOWED, BLOCKED, MUTED = 1, 2, 4, 8
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
        self._store = store
        self._trending = Shared(clock, TRENDING_AGE_S, self._ask_trending)
        self._fresh = Shared(clock, EXPLORATION_AGE_S, self._ask_fresh)

    async def propose(self, viewers: Sequence[int]) -> Mapping[int, Proposal]:
        """One proposal for each viewer, from two queries for all of them (and two more, shared, now and then)."""
        ids = list(viewers)
        rows, pairs, trending, fresh = await asyncio.gather(
            self._store.select("candidates", viewers=ids), self._store.select("pairs", viewers=ids),
            self._trending.get(), self._fresh.get(),
        )  # fmt: skip
        own = _candidates(rows, rows["source"])  # checked once for all of them
        of_rows, of_pairs = _by_viewer(rows), _by_viewer(pairs)
        nothing = np.empty(0, dtype=np.int64)
        return {
            viewer: _proposal(
                viewer, own.take(of_rows.get(viewer, nothing)), _take(pairs, of_pairs.get(viewer, nothing)),
                trending, fresh,
            )
            for viewer in viewers
        }  # fmt: skip

    async def _ask_trending(self) -> Candidates:
        return _candidates(await self._store.select("trending"), Source.TRENDING)

    async def _ask_fresh(self) -> Candidates:
        return _candidates(await self._store.select("exploration", canary=CANARY_AUTHOR), Source.EXPLORATION)


class Shared:
    """An answer that is the same for everybody, at most ``age_s`` old."""

    def __init__(self, clock: Clock, age_s: float, ask: Callable[[], Awaitable[Candidates]]) -> None:
        self._clock, self._age_s, self._ask = clock, age_s, ask
        self._known: tuple[float, Candidates] | None = None
        self._lock = asyncio.Lock()

    async def get(self) -> Candidates:
        """The answer. Raises StoreUnavailableError."""
        async with self._lock:
            now = self._clock.monotonic()
            if self._known is None or now - self._known[0] > self._age_s:
                self._known = (now, await self._ask())
            return self._known[1]


def _proposal(
    viewer: int, own: Candidates, pairs: Columns, trending: Candidates, fresh: Candidates
) -> Proposal:  # fmt: skip
    cold = not ((pairs["relation"] & FOLLOWS > 0) | (pairs["interactions"] > 0)).any()
    together = Candidates.concat([own, trending, fresh] if cold else [own, trending])
    order = np.argsort(pairs["author_id"])
    authors, interactions = pairs["author_id"][order], pairs["interactions"][order]
    known = replace(together, interactions=_look_up(together.author_id, authors, interactions))
    followees = pairs["author_id"][pairs["relation"] & FOLLOWS > 0]
    return Proposal(known, _rules(viewer, pairs), followees, cold=bool(cold))


_COUNTED = ("post_id", "author_id", "created_ms", "likes", "comments", "shares", "exposures")


def _candidates(columns: Columns, sources: npt.ArrayLike) -> Candidates:
    return Candidates.make(**{name: columns[name] for name in _COUNTED}, sources=sources)


def _rules(viewer: int, pairs: Columns) -> ViewerRules:
    author, relation = pairs["author_id"], pairs["relation"]
    return ViewerRules(
        viewer,
        blocked_authors=author[relation & BLOCKED > 0],
        muted_authors=author[relation & MUTED > 0],
        unfollowed_authors=author[relation & UNFOLLOWED > 0],
    )


def _look_up(wanted: Ints, keys: Ints, values: Ints) -> Ints:
    """values of the (ascending) keys that are wanted; 0 for a key that is not there."""
    if not len(keys):
        return np.zeros(len(wanted), dtype=np.int64)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    found: Ints = np.where(keys[at] == wanted, values[at], 0)
    return found


def _by_viewer(columns: Columns) -> dict[int, Ints]:
    """viewer -> the rows of that viewer."""
    viewers = columns["viewer_id"]
    if not len(viewers):
        return {}
    order = np.argsort(viewers, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(viewers[order]) != 0))
    return {int(viewers[rows[0]]): rows for rows in np.split(order, starts[1:])}


def _take(columns: Columns, rows: Ints) -> Columns:
    return Columns((name, column[rows]) for name, column in columns.items())
