"""``Suggestions.page``: whom a viewer might follow, each with the reasons that hold now.

Cached for ten minutes (the worker renews the lists of those who ask); on a miss from ClickHouse, the misses of many
viewers in one query; from PostgreSQL when ClickHouse is away. What depends on the viewer, follows, blocks, mutes and
whether somebody exists, is read from PostgreSQL for every answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from nova_feed.cache.discovery import DiscoveryCache
from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.breaker import Breaker
from nova_feed.feed.coalesce import Coalescer
from nova_feed.feed.people import People
from nova_feed.feed.told import looked_up
from nova_feed.ops import metrics
from nova_feed.ranking import Hint, Suggestion, is_cold, merge_hints, standing
from nova_feed.ranking.suggesting import KEPT

log = structlog.get_logger(__name__)
CLICKHOUSE, POSTGRES = "clickhouse", "postgres"
AT_ONCE, TOGETHER = 2, 16
SHORT_TTL_S = 10  # of a list made without ClickHouse, or for somebody of whom nothing is known yet
PATIENCE_S = 2.0  # how long an answer may wait for its turn at PostgreSQL
ReadMany = Callable[[Sequence[int]], Awaitable[Mapping[int, list[Hint]]]]
ReadOne = Callable[[int], Awaitable[list[Hint]]]


class SuggestionList(msgspec.Struct, array_like=True, frozen=True):
    """One viewer's list, best first. ``origin``: the store it was read from; ``reason``: why not from ClickHouse."""

    as_of_ms: int
    origin: str
    reason: str
    suggestions: list[Suggestion]

    @property
    def is_cold(self) -> bool:
        """Whether nothing is known of this viewer that would speak for anybody."""
        return is_cold(self.suggestions)


@dataclass(frozen=True, slots=True)
class SuggestionPage:
    """What holds now of a list, and the names of everybody in it."""

    listed: SuggestionList
    shown: list[Suggestion]
    names: Mapping[int, str]
    cache_hit: bool


class Suggestions:
    """Raises StoreUnavailableError when no store is left to ask, or none to read the viewer's rules from."""

    def __init__(
        self, *, hints: ReadMany, fallback: ReadOne, people: People, cache: DiscoveryCache, clock: Clock
    ) -> None:
        self._people, self._cache, self._clock = people, cache, clock
        self._fallback: Coalescer[int, list[Hint]] = Coalescer(_one_by_one(fallback), most=1, at_once=AT_ONCE)
        self._read_many = hints
        self.clickhouse = Breaker("clickhouse", clock)
        self.valkey = Breaker("valkey", clock)
        # Within the coalescer: a batch that fails is one failure, however many viewers wait for it.
        self._hints: Coalescer[int, list[Hint]] = Coalescer(
            lambda viewers: self.clickhouse.call(lambda: hints(viewers)), most=TOGETHER, at_once=AT_ONCE
        )

    async def page(self, viewer_id: int, limit: int) -> SuggestionPage:
        """The best ``limit`` people; fewer when there are no more."""
        stored = await self._stored(viewer_id)
        listed = stored or await self.compute(viewer_id)
        page = await self._standing(viewer_id, listed, limit, cache_hit=stored is not None)
        if stored is not None and len(page.shown) < limit and len(stored.suggestions) == KEPT:
            page = await self._standing(viewer_id, await self.compute(viewer_id), limit, cache_hit=False)
        return page

    async def compute(self, viewer_id: int) -> SuggestionList:
        """Make the viewer's list anew, and keep it. Raises StoreUnavailableError."""
        as_of_ms, origin, reason = self._clock.now_ms(), CLICKHOUSE, ""
        try:
            hints = await self._hints.get(viewer_id)
        except StoreUnavailableError as error:
            log.warning("suggestions.fallback", viewer_id=viewer_id, store=error.store, reason=error.reason)
            metrics.FALLBACKS.labels("suggestions", error.store, error.kind).inc()
            hints, origin, reason = await self._fall_back(viewer_id), POSTGRES, f"{error.store}: {error.reason}"
        listed = SuggestionList(as_of_ms, origin, reason, merge_hints(viewer_id, hints))
        await self._keep(viewer_id, listed)
        return listed

    async def renew(self, viewers: Sequence[int]) -> None:
        """Make the lists of these viewers anew, from ClickHouse alone. Raises StoreUnavailableError."""
        as_of_ms, hints = self._clock.now_ms(), await self._read_many(viewers)
        lists = {
            viewer: SuggestionList(as_of_ms, CLICKHOUSE, "", merge_hints(viewer, hints[viewer])) for viewer in viewers
        }
        # Of whom nothing is known yet, something may be known in a moment: no list for ten minutes.
        bodies = {viewer: encode(listed) for viewer, listed in lists.items() if not listed.is_cold}
        if bodies:
            await self._cache.put_suggested(bodies)

    async def _fall_back(self, viewer_id: int) -> list[Hint]:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._fallback.get(viewer_id)
        except TimeoutError as error:
            raise StoreUnavailableError(POSTGRES, f"busy for {PATIENCE_S} s") from error

    async def _stored(self, viewer_id: int) -> SuggestionList | None:
        try:
            body = await self.valkey.call(lambda: self._cache.suggested(viewer_id, self._clock.now_ms()))
            looked_up("suggestions", "valkey" if body else "miss")
            return decode(body) if body else None
        except StoreUnavailableError as error:
            looked_up("suggestions", "away")
            log.warning("suggestions.not_read", store=error.store, reason=error.reason)
        except ValueError:  # another version's list: as good as none
            pass
        return None

    async def _keep(self, viewer_id: int, listed: SuggestionList) -> None:
        body = {viewer_id: encode(listed)}
        short = {"ttl_s": SHORT_TTL_S} if listed.origin == POSTGRES or listed.is_cold else {}
        try:
            await self.valkey.call(lambda: self._cache.put_suggested(body, **short))
        except StoreUnavailableError as error:
            log.warning("suggestions.not_cached", store=error.store, reason=error.reason)

    async def _standing(self, viewer_id: int, listed: SuggestionList, limit: int, *, cache_hit: bool) -> SuggestionPage:
        people = {suggestion.user_id for suggestion in listed.suggestions} | {
            via for suggestion in listed.suggestions for reason in suggestion.reasons for via in reason.vias
        }
        rules = await self._people.read(viewer_id, sorted(people))
        shown = standing(
            listed.suggestions,
            allowed=lambda person: person in rules.names and person not in rules.followed,
            named=rules.names.__contains__,
            followed=rules.followed.__contains__,
        )
        return SuggestionPage(listed, shown[:limit], rules.names, cache_hit)


def encode(listed: SuggestionList) -> bytes:
    """The list as MessagePack."""
    return msgspec.msgpack.encode(listed)


def decode(body: bytes) -> SuggestionList:
    """Read what ``encode`` wrote. Raises ValueError for anything else."""
    try:
        return msgspec.msgpack.decode(body, type=SuggestionList)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError("not a list of suggestions") from error


def _one_by_one(read: ReadOne) -> ReadMany:
    async def many(viewers: Sequence[int]) -> Mapping[int, list[Hint]]:
        return {viewer: await read(viewer) for viewer in viewers}

    return many
