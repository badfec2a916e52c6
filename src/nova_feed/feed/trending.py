"""``Trending.page``: what trends within a window, as far as this viewer may see it.

One list for everybody: from Valkey, where the worker writes it every minute; from ClickHouse when Valkey is away, has
none, or has one that is late; from PostgreSQL's newest rows when ClickHouse is away, too. Each process keeps a copy for
a moment. The viewer's rules are read for every page, and a page is refused rather than served without them. Own posts
are left out, as in the feed; authors the viewer unfollowed are not: this list is not made of whom one follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

import msgspec
import numpy as np
import structlog

from nova_feed.cache.discovery import DiscoveryCache
from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.breaker import Breaker
from nova_feed.feed.rules import PageRules, Rules
from nova_feed.feed.told import looked_up
from nova_feed.ops import metrics
from nova_feed.ranking import Candidates, Saturation, Shown, Source, show, trend

log = structlog.get_logger(__name__)
WINDOWS = {"1h": 3_600, "24h": 86_400, "7d": 604_800}
CLICKHOUSE, POSTGRES = "clickhouse", "postgres"
LATE_MS = 150_000  # a list older than this (the job is late) is made anew by whoever needs it
COPY_S = 1.0  # how long a process answers from a list it read
OWN_COPY_S = 10.0  # ... and from one that it had to make itself
SPARE = 30  # rows whose rules are read along, so that a few removals cost no second read
_COLUMNS = ("post_id", "author_id", "created_ms", "likes", "comments", "shares")
Read = Callable[[int], Awaitable[Candidates]]


@dataclass(frozen=True, slots=True, eq=False)
class TrendingList:
    """The list of a window, best first. ``origin``: the store it was counted in; ``reason``: what was away."""

    window: str
    as_of_ms: int
    origin: str
    candidates: Candidates
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class TrendingPage:
    """What one viewer is shown of a list. ``cache_hit``: the list was there already."""

    listed: TrendingList
    shown: Shown
    cache_hit: bool


class _Wire(msgspec.Struct, array_like=True):
    window: str
    as_of_ms: int
    rows: bytes


@dataclass(slots=True)
class _Copy:
    """One window in this process."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    listed: TrendingList | None = None
    error: StoreUnavailableError | None = None
    until: float = 0.0


class Trending:
    """Raises StoreUnavailableError when no store is left to count in, or none to read the viewer's rules from.

    ``count`` reads a window's engagement from ClickHouse, ``recent`` from PostgreSQL; both take its seconds.
    """

    def __init__(
        self, *, count: Read, recent: Read, rules: Rules, cache: DiscoveryCache, clock: Clock, saturation: Saturation
    ) -> None:
        self._count, self._recent, self._rules, self._cache = count, recent, rules, cache
        self._clock, self._saturation = clock, saturation
        self.clickhouse = Breaker("clickhouse", clock)
        self.valkey = Breaker("valkey", clock)
        self._copies = {window: _Copy() for window in WINDOWS}

    async def page(self, viewer_id: int, window: str, limit: int) -> TrendingPage:
        """The first ``limit`` posts that the viewer may see now; fewer when there are no more."""
        listed, cache_hit = await self.current(window)
        rows = listed.candidates
        some = min(len(rows), limit + SPARE)
        allowed = await self._allowed(viewer_id, rows, some)
        shown = show(rows, allowed, self._saturation, limit=limit)
        if some < len(rows) and (len(shown.rows) < limit or shown.relaxed.any()):
            shown = show(rows, await self._allowed(viewer_id, rows, len(rows)), self._saturation, limit=limit)
        return TrendingPage(listed, shown, cache_hit)

    async def current(self, window: str) -> tuple[TrendingList, bool]:
        """The list that answers now, and whether it was there already. Misses share one computation."""
        copy = self._copies[window]
        async with copy.lock:
            if self._clock.monotonic() < copy.until:
                if copy.listed is None:
                    raise copy.error or StoreUnavailableError(CLICKHOUSE, "not asked yet")
                looked_up("trending", "local")
                return copy.listed, True
            cached = True
            try:
                copy.listed, cached = await self._find(window)
            except StoreUnavailableError as error:  # whoever waited for this does not try it all again
                copy.listed, copy.error = None, error
                raise
            finally:
                copy.until = self._clock.monotonic() + (COPY_S if cached else OWN_COPY_S)
            return copy.listed, cached

    async def make(self, window: str) -> TrendingList:
        """Count in ClickHouse and keep the list in Valkey; an empty one is not kept, so that an older one stays.

        Raises StoreUnavailableError: nothing was changed then.
        """
        listed = await self._counted(window)
        if len(listed.candidates):
            await self._cache.put_trending(window, encode(listed))
        return listed

    async def _find(self, window: str) -> tuple[TrendingList, bool]:
        stored, missing = await self._stored(window)
        if stored is not None and self._clock.now_ms() - stored.as_of_ms <= LATE_MS:
            return stored, True
        try:
            listed = replace(await self.clickhouse.call(lambda: self._counted(window)), reason=missing)
        except StoreUnavailableError as error:
            return await self._fall_back(window, stored, error)
        if not missing and len(listed.candidates):
            await self._keep(listed)
        return listed, False

    async def _fall_back(
        self, window: str, late: TrendingList | None, error: StoreUnavailableError
    ) -> tuple[TrendingList, bool]:
        reason = f"{error.store}: {error.reason}"
        log.warning("trending.fallback", window=window, store=error.store, reason=error.reason)
        metrics.FALLBACKS.labels("trending", error.store, error.kind).inc()
        try:
            rows = trend(await self._recent(WINDOWS[window]))
        except StoreUnavailableError:
            if late is None:
                raise
            return replace(late, reason=reason), True
        return TrendingList(window, self._clock.now_ms(), POSTGRES, rows, reason), False

    async def _counted(self, window: str) -> TrendingList:
        as_of_ms = self._clock.now_ms()
        return TrendingList(window, as_of_ms, CLICKHOUSE, trend(await self._count(WINDOWS[window])))

    async def _stored(self, window: str) -> tuple[TrendingList | None, str]:
        """What Valkey has; or why it could not be asked."""
        try:
            body = await self.valkey.call(lambda: self._cache.trending(window))
        except StoreUnavailableError as error:
            looked_up("trending", "away")
            return None, f"{error.store}: {error.reason}"
        looked_up("trending", "valkey" if body else "miss")
        try:
            return decode(body or b""), ""
        except ValueError:  # none, or another version's
            return None, ""

    async def _keep(self, listed: TrendingList) -> None:
        try:
            await self.valkey.call(lambda: self._cache.put_trending(listed.window, encode(listed)))
        except StoreUnavailableError as error:
            log.warning("trending.not_cached", window=listed.window, reason=error.reason)

    async def _allowed(self, viewer_id: int, rows: Candidates, some: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Which of the first ``some`` rows the viewer may see; none of the others."""
        posts, authors = rows.post_id[:some].tolist(), rows.author_id[:some].tolist()
        rules = await self._rules.read(viewer_id, posts, list(set(authors))) if posts else _NOTHING
        judged = [
            author != viewer_id and rules.allows(post, author, was_followed=False)
            for post, author in zip(posts, authors, strict=True)
        ]
        return np.array(judged + [False] * (len(rows) - some), dtype=np.bool_)


_NOTHING = PageRules(frozenset(), frozenset(), frozenset())


def encode(listed: TrendingList) -> bytes:
    """Window, moment and rows as MessagePack."""
    rows = np.column_stack([getattr(listed.candidates, name) for name in _COLUMNS]).astype("<i8")
    return msgspec.msgpack.encode(_Wire(listed.window, listed.as_of_ms, rows.tobytes()))


def decode(body: bytes) -> TrendingList:
    """Read what ``encode`` wrote. Raises ValueError for anything else."""
    try:
        wire = msgspec.msgpack.decode(body, type=_Wire)
        rows = np.frombuffer(wire.rows, dtype="<i8").reshape(-1, len(_COLUMNS)).astype(np.int64)
    except (msgspec.MsgspecError, ValueError) as error:
        raise ValueError("not a trending list") from error
    columns = {name: np.ascontiguousarray(rows[:, i]) for i, name in enumerate(_COLUMNS)}
    candidates = Candidates.make(**columns, sources=Source.TRENDING)
    return TrendingList(wire.window, wire.as_of_ms, CLICKHOUSE, candidates)
