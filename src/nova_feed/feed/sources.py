"""Candidates of a group of viewers: ClickHouse says what it knows of each viewer and each author (one query for all of
those of whom nothing is kept, ``feed/known.py``), and the posts of those authors are in this process, or are asked for
(``feed/posts.py``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial

import numpy as np
import structlog

from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.known import TRUSTED_S, Everybody, Ints, Known, KnownViewers, Proposal, by_viewer
from nova_feed.feed.posts import Posts, PostTable, counted
from nova_feed.feed.slices import Slices
from nova_feed.model import CANARY_AUTHOR
from nova_feed.ranking import TRENDING_REACH, Candidates, Source
from nova_feed.store.client import Store

HOT, NEWEST, AFFINITY = "hot_posts", "author_posts", "affinity"
PAIRS = "pairs"
MOST_PAIRS = 2_000_000  # of everybody, of a kind, in a process: 50 MB, twice while newer ones are read
FIRST_GUESS_S = 0.3  # what it takes to read all pairs
TRENDING_AGE_S, EXPLORATION_AGE_S = 1.0, 5.0
log = structlog.get_logger(__name__)


class Sources:
    """Reads proposals. Raises StoreUnavailableError."""

    def __init__(self, store: Store, clock: Clock, kept: KnownViewers | None = None) -> None:
        """``kept``: None where nobody tells of changes."""
        self._store, self._clock, self._kept, self._slices = store, clock, kept, Slices()
        self._hot = PostTable(
            lambda authors: store.select("hot_posts", authors=authors), partial(self._size, HOT), Source.FOLLOWEE, clock
        )
        self._newest = PostTable(
            lambda authors: store.select("author_posts", authors=authors), partial(self._size, NEWEST),
            Source.AFFINITY, clock,
        )  # fmt: skip
        self._trending = Shared(clock, TRENDING_AGE_S, self._ask_trending)
        self._top: tuple[Posts, Candidates] | None = None  # what trends of these
        self._fresh = Shared(clock, EXPLORATION_AGE_S, self._ask_fresh)
        self._all_costs_s = FIRST_GUESS_S
        self._spent_s = 0.0  # on viewers asked for by name, since affinity was built last
        self._reading: asyncio.Task[None] | None = None
        self._built: str | None = None  # the newest build of affinity
        self._tried = ("", float("-inf"))  # for which build everybody was asked for last, and when

    async def propose(self, viewers: Sequence[int], builds: Mapping[str, str]) -> Mapping[int, Proposal]:
        """One proposal for each viewer; ``builds``: the newest build of each table, of which no older one is used."""
        known, trending, fresh = await asyncio.gather(
            self._known(viewers, builds.get(AFFINITY)), self._asked_trending(), self._fresh.get()
        )
        hot, newest = await asyncio.gather(
            self._hot.of(_united(one.followees for one in known.values()), builds.get(HOT)),
            self._newest.of(_united(one.close for one in known.values()), builds.get(NEWEST)),
        )
        if hot.whole:
            trending = self._here(hot)
        elif trending is None:
            trending = await self._trending.get()
        proposals = {}
        for viewer, one in known.items():
            await self._slices.turn()
            proposals[viewer] = one.proposal(hot, newest, trending, fresh)
        return proposals

    async def _known(self, viewers: Sequence[int], built: str | None) -> Mapping[int, Known]:
        if built is not None and built != self._built:
            self._built, self._spent_s = built, 0.0
        known = {} if self._kept is None else self._kept.of(viewers, built)
        if self._kept is not None and built is not None and self._kept.worn():
            self._read_behind(self._kept, built)
        strangers = [viewer for viewer in viewers if viewer not in known]
        if not strangers:
            return known
        asked, answers = self._clock.monotonic(), dict[int, Known]()
        pairs = await self._store.select("pairs", viewers=strangers)
        if self._kept is not None and built is not None and built == self._built:  # nothing newer was told meanwhile
            self._spend(self._kept, built, self._clock.monotonic() - asked)
        for viewer, rows in by_viewer(pairs, strangers).items():
            await self._slices.turn()
            answers[viewer] = Known.of(viewer, pairs, rows)
        if self._kept is not None:
            self._kept.keep(answers.values(), built, asked)
        return known | answers

    def _spend(self, kept: KnownViewers, built: str, seconds: float) -> None:
        """Have everybody's pairs read once those of some cost as much."""
        self._spent_s += seconds
        if self._spent_s >= self._all_costs_s:
            self._read_behind(kept, built)

    def _read_behind(self, kept: KnownViewers, built: str) -> None:
        """Read them behind whoever asks now; once for a build, whatever comes of it, and now and then."""
        now, (tried, at) = self._clock.monotonic(), self._tried
        if self._reading is None and (tried != built or now - at > TRUSTED_S / 2):
            self._tried = built, now
            self._reading = asyncio.create_task(self._read_everybody(kept, built, now))

    async def _read_everybody(self, kept: KnownViewers, built: str, asked: float) -> None:
        try:
            if await self._size(PAIRS) <= MOST_PAIRS:
                kept.keep_everybody(await Everybody.read(self._store), built, asked)
                self._all_costs_s = self._clock.monotonic() - asked
        except StoreUnavailableError as error:
            self._all_costs_s = max(self._all_costs_s, self._clock.monotonic() - asked)  # it was paid for all the same
            log.warning("feed.everybody_not_read", reason=error.reason)
        finally:
            self._reading = None

    async def _size(self, table: str) -> int:
        return int((await self._store.select("table_sizes"))[table][0])

    async def _asked_trending(self) -> Candidates | None:
        """What trends, as ClickHouse says; None where it will be in this process."""
        return None if self._hot.whole else await self._trending.get()

    def _here(self, hot: Posts) -> Candidates:
        """What trends of all posts, found once for a build."""
        if self._top is None or self._top[0] is not hot:
            self._top = (hot, hot.trending(TRENDING_REACH.rows))
        return self._top[1]

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


def _united(groups: Iterable[Ints]) -> Ints:
    return np.unique(np.concatenate([_NOBODY, *groups]))


_NOBODY: Ints = np.empty(0, dtype=np.int64)
