"""``FeedService.page``: a viewer asks, a page is answered, whatever is up.

cursor?  ->  its frozen list  ->  page
no cursor -> cached list (soft age: refreshed behind the answer) -> page
          -> an outdated one, while rankings are slow or fail (refreshed behind it, too) -> page
          -> ClickHouse, ranked -> frozen -> page
          -> PostgreSQL, timeline, labelled -> frozen -> page
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import structlog

from nova_feed.cache.builds import Builds
from nova_feed.cache.lists import ListCache
from nova_feed.cache.seen import NOTHING_SEEN, Seen, SeenCache
from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.allowance import Allowance
from nova_feed.feed.assemble import Cut, cut
from nova_feed.feed.breaker import CLOSED, Breaker
from nova_feed.feed.coalesce import Coalescer
from nova_feed.feed.cursor import TAIL, Cursor, CursorSigner
from nova_feed.feed.frozen import LONGEST, FrozenList, freeze
from nova_feed.feed.inspect import Inspection, PostFacts, inspect
from nova_feed.feed.keeping import Keeping
from nova_feed.feed.known import Proposal
from nova_feed.feed.nearby import NearbyLists
from nova_feed.feed.patience import patience_s
from nova_feed.feed.rules import Rules
from nova_feed.feed.slices import Slices
from nova_feed.feed.sources import Sources
from nova_feed.feed.timeline import TIMELINE_WEIGHTS, Timeline
from nova_feed.feed.told import looked_up, tell_ranking, timed
from nova_feed.ops import metrics
from nova_feed.ranking import Candidates, Ranked, ViewerRules, Weights, rank
from nova_feed.runtime import Live

Flags = npt.NDArray[np.bool_]
log = structlog.get_logger(__name__)
RANKED, TIMELINE = "ranked", "timeline"
SWITCHED_OFF = "use_ch_ranking is off"
# Lists ranked anew behind answers, in one process: each costs some 20 ms of CPU with all it takes, the pages that are
# made anew from it among them. Of old ones so many a second, gathered, those that answered most pages first: a list
# that is asked for all the time is a few seconds old, however many others are old. A young one when no other is ranked,
# after a rest four times as long as the last one took, and while few pages are asked for. Where processors are short
# rankings take longer, so there are fewer: answers come first.
SOFT_PER_S, SOFT_AT_ONCE, YOUNG_REST, QUIET_PER_S = 8.0, 8, 4, 100.0
BUSY_COST = 3  # as so many an old one counts while answers are late
GATHER_S = 0.5  # old ones that come within it are ranked together: one batch costs less than as many of one
VALKEY_OPEN_S = 2.0  # a question costs 250 ms at most, and until it is asked no cursor goes on
REST = 0.5  # misses gather after a batch: candidates cost ClickHouse 27 ms of CPU for one viewer, 47 for 64 (ADR 0010)
# In place of an outdated list a new one is waited for so long, and not at all while rankings take longer than they do
# where processors are free; then the old one answers: it is a few minutes old, where a timeline knows nothing of the
# viewer, and is PostgreSQL's work.
QUICK_S, SLOW_S = 0.15, 0.05
SILENT = "no candidates yet"
ENOUGH = 50  # a list of fewer posts not seen yet goes on with posts seen before, the best first


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """One page: rows of a frozen list in the order shown. ``reason`` says why the timeline answered though nobody asked
    for it; ``fallback``: because a store was away; ``may_be_kept``: it may be answered again while nothing changes."""

    frozen: FrozenList
    cut: Cut
    cursor: str | None
    cache_hit: bool
    fallback: bool
    reason: str
    first_position: int
    newer: int | None
    may_be_kept: bool


class FeedService:
    """Answers pages. Raises CursorError, CursorExpiredError, and StoreUnavailableError when no store is left to ask."""

    def __init__(
        self,
        *,
        sources: Sources,
        builds: Builds,
        timeline: Timeline,
        rules: Rules,
        facts: PostFacts,
        lists: ListCache,
        nearby: NearbyLists,
        seen: SeenCache,
        signer: CursorSigner,
        clock: Clock,
        runtime: Live,
        renewed: Callable[[int], None] = lambda _: None,
        busy: Callable[[], bool] = lambda: False,
    ) -> None:
        """``renewed(viewer)`` is called when a list that answers first pages was made behind an answer; ``busy()``:
        whether answers are late."""
        self._timeline, self.rules = timeline, rules
        self._signer, self._clock, self._facts = signer, clock, facts
        self._runtime = runtime
        self.clickhouse = Breaker("clickhouse", clock)
        self.valkey = Breaker("valkey", clock, open_s=VALKEY_OPEN_S)
        # Within the coalescer: a batch that fails is one failure, however many viewers wait for it.
        self._sources, self._builds = sources, builds
        self._proposals: Coalescer[int, Proposal] = Coalescer(
            lambda viewers: self.clickhouse.call(lambda: self._propose(viewers)), at_once=1, rest=REST
        )
        self._kept = Keeping(lists, nearby, self.valkey, self._slow)
        self.roles = self._kept.roles
        self._had: Coalescer[int, Seen] = Coalescer(lambda viewers: self.valkey.call(lambda: seen.read(viewers)))
        self._slices = Slices()
        self._ranking: dict[tuple[int, str], asyncio.Task[FrozenList]] = {}
        self._refreshing: dict[int, asyncio.Task[FrozenList | None]] = {}
        self._rests_until = clock.monotonic()
        self._pages, self._counted = 0, clock.monotonic() - 1  # first pages answered since then
        self._old: dict[int, int] = {}  # viewers whose lists are old, and how many pages those answered
        self._soft = Allowance(clock, per_s=SOFT_PER_S)
        self._renewed, self._busy = renewed, busy

    async def page(self, viewer_id: int, *, algo: str, limit: int, cursor: str | None) -> Page:
        """The next page of a viewer: ``limit`` posts (fewer at the end of the list)."""
        if cursor is not None:
            at = self._signer.decode(cursor, viewer_id)
            frozen = await self._kept.of(at)
            return await self._cut(frozen, at, limit, cache_hit=True)
        runtime = self._runtime.now
        may_be_cached = algo == "ch" and runtime.use_ch_ranking and runtime.enable_caching
        first = await self._first(viewer_id) if may_be_cached else None
        frozen, was_there = first or (await self._rank_once(viewer_id, algo), False)
        start = Cursor(viewer_id, frozen.list_id, 0, 0, 0, 0.0, ())
        return await self._cut(frozen, start, limit, cache_hit=was_there)

    async def rank(self, viewer_id: int, *, algo: str = "ch") -> FrozenList:
        """Rank anew and freeze; from PostgreSQL when ClickHouse does not answer. Raises StoreUnavailableError."""
        if algo == TIMELINE:
            frozen = await self._arrange(viewer_id, await self._timeline.propose(viewer_id), TIMELINE)
        else:
            frozen = await self._rank_or_fall_back(viewer_id)
        try:
            with timed("keep", self._clock):
                await self._kept.put(viewer_id, frozen, first=frozen.source == RANKED)
        except StoreUnavailableError as error:
            log.warning("feed.not_cached", viewer_id=viewer_id, reason=error.reason)
        return frozen

    async def _rank_once(self, viewer_id: int, algo: str) -> FrozenList:
        """Requests of a viewer that come together share one list; one that gives up takes it from nobody."""
        key = (viewer_id, algo)
        if key not in self._ranking:
            task = self._ranking[key] = asyncio.create_task(self.rank(viewer_id, algo=algo))
            task.add_done_callback(lambda done: (self._ranking.pop(key), done.cancelled() or done.exception()))
        return await asyncio.shield(self._ranking[key])

    async def warm(self, viewer_id: int) -> None:
        """Rank and keep the list that answers first pages, if ClickHouse and Valkey are there, and used."""
        if self._runtime.now.use_ch_ranking:
            await self._rank_quietly(viewer_id)

    async def inspect(self, viewer_id: int, post_id: int) -> Inspection:
        """Where this post stands for this viewer as of now, and why. Raises StoreUnavailableError."""
        facts, proposal = await asyncio.gather(self._facts.read(viewer_id, post_id), self._proposals.get(viewer_id))
        had = (await self._seen_by(viewer_id)).among(proposal.candidates.post_id)
        ranked, again = self._split(proposal, had, self._runtime.now.weights)
        seen = frozenset(proposal.candidates.post_id[had].tolist())
        return inspect(ranked, again, seen, post_id, facts, viewer_id)

    async def _rank_or_fall_back(self, viewer_id: int) -> FrozenList:
        runtime = self._runtime.now
        if not runtime.use_ch_ranking:
            return await self._arrange(viewer_id, await self._timeline.propose(viewer_id), TIMELINE, SWITCHED_OFF)
        try:
            with timed("candidates", self._clock):
                proposal = await self._proposed(viewer_id, patient=not runtime.enable_fallback)
        except StoreUnavailableError as error:
            if not runtime.enable_fallback:
                raise
            log.warning("feed.fallback", viewer_id=viewer_id, store=error.store, reason=error.reason)
            metrics.FALLBACKS.labels("feed", error.store, error.kind).inc()
            reason = f"{error.store}: {error.reason}"
            return await self._arrange(viewer_id, await self._timeline.propose(viewer_id), TIMELINE, reason)
        if proposal is None:
            return await self._ahead_of_clickhouse(viewer_id)
        return await self._arrange(viewer_id, proposal, RANKED)

    async def _propose(self, viewers: Sequence[int]) -> Mapping[int, Proposal]:
        builds: Mapping[str, str] = {}
        with suppress(StoreUnavailableError):
            builds = await self.valkey.call(self._builds.newest)
        return await self._sources.propose(viewers, builds)

    async def _proposed(self, viewer_id: int, *, patient: bool) -> Proposal | None:
        """What ClickHouse proposes; None when it was waited for long enough, which who is ``patient`` never says."""
        asked, began = asyncio.ensure_future(self._proposals.get(viewer_id)), asyncio.get_running_loop().time()
        try:
            while not (patient or asked.done()):
                left_s = patience_s(
                    self.clickhouse, silent_s=self._proposals.longest_s, crowded=self._proposals.crowded,
                    waited_s=asyncio.get_running_loop().time() - began,
                )  # fmt: skip
                if left_s <= 0:
                    return None
                await asyncio.wait({asked}, timeout=left_s)
            return await asked
        finally:
            asked.cancel()

    async def _ahead_of_clickhouse(self, viewer_id: int) -> FrozenList:
        """A timeline; what ClickHouse says later is kept for the next page. Without a timeline it is waited for."""
        log.warning("feed.fallback", viewer_id=viewer_id, store="clickhouse", reason=SILENT)
        metrics.FALLBACKS.labels("feed", "clickhouse", "timeout").inc()
        if self.valkey.state == CLOSED:
            self._refresh(viewer_id)
        try:
            timeline = await self._timeline.propose(viewer_id)
        except StoreUnavailableError:
            return await self._arrange(viewer_id, await self._proposals.get(viewer_id), RANKED)
        return await self._arrange(viewer_id, timeline, TIMELINE, f"clickhouse: {SILENT}")

    async def _arrange(self, viewer_id: int, proposal: Proposal, source: str, reason: str = "") -> FrozenList:
        """Rank what was not seen; when that is too little, go on with what was."""
        seen = await self._seen_by(viewer_id)
        await self._slices.turn()
        had = seen.among(proposal.candidates.post_id)
        weights = TIMELINE_WEIGHTS if source == TIMELINE else self._runtime.now.weights
        start = self._clock.monotonic()
        ranked, again = self._split(proposal, had, weights)
        tell_ranking(ranked, had=int(had.sum()), again=again, seconds=self._clock.monotonic() - start)
        return freeze(ranked, source, reason, again, followees=proposal.followees, cold=proposal.cold)

    def _split(self, proposal: Proposal, had: Flags, weights: Weights) -> tuple[Ranked, Ranked | None]:
        now_ms = self._clock.now_ms()
        seed = lot(proposal.rules.viewer_id, now_ms) if proposal.cold else None
        again = bool(had.any())
        fresh = proposal.candidates.take(~had) if again else proposal.candidates
        ranked = self._rank(fresh, proposal.rules, now_ms, weights, seed=seed)
        if not again or len(ranked) >= ENOUGH:
            return ranked, None
        return ranked, self._rank(proposal.candidates.take(had), proposal.rules, now_ms, weights, after=ranked)

    async def _seen_by(self, viewer_id: int) -> Seen:
        try:
            seen = await self._had.get(viewer_id)
        except StoreUnavailableError:
            return NOTHING_SEEN  # a post twice is better than no feed
        if len(seen.bits):
            metrics.SEEN_FALSE.observe(seen.false_positive_rate)
        return seen

    def _rank(
        self, candidates: Candidates, rules: ViewerRules, now_ms: int, weights: Weights, *,
        after: Ranked | None = None, seed: int | None = None,
    ) -> Ranked:  # fmt: skip
        shown = () if after is None else after.candidates.author_id[-TAIL:].tolist()
        return rank(
            candidates,
            now_ms=now_ms,
            weights=weights,
            rules=rules,
            saturation=self._runtime.now.saturation,
            history=shown,
            start=0 if after is None else len(after),
            limit=LONGEST,
            seed=seed,
        )

    def _slow(self) -> bool:
        """Whether to rank a list takes so long as of late, or fails, that an outdated one has to answer."""
        return self._proposals.lately_s > SLOW_S or self.clickhouse.state != CLOSED

    async def _first(self, viewer_id: int) -> tuple[FrozenList, bool] | None:
        """The list for a first page, and whether it was there before; None when there is none."""
        try:
            kept = await self._kept.first(viewer_id, self._runtime.now.weights.version)
        except StoreUnavailableError:
            looked_up("feed", "away")
            return None
        if kept is None:
            looked_up("feed", "miss")
            return None
        if kept.outdated and not self._slow():
            ranking = self._refresh(viewer_id)
            await asyncio.wait({ranking}, timeout=QUICK_S)
            if ranking.done() and (newer := ranking.result()) is not None:
                looked_up("feed", "miss")
                return newer, False
        looked_up("feed", "outdated" if kept.outdated else "valkey")
        if kept.outdated:
            await self._kept.go_on(viewer_id, kept.frozen)
        self.renew_if_old(viewer_id, kept.frozen.as_of_ms)
        return kept.frozen, True

    def renew_if_old(self, viewer_id: int, as_of_ms: int, answered: int = 1) -> None:
        """Rank this viewer's list anew behind the answer, if it is old and there is time for it. ``answered``: how many
        pages it has answered here."""
        self._pages += 1
        age_ms = self._clock.now_ms() - as_of_ms
        runtime = self._runtime.now
        if age_ms <= min(runtime.young_age_ms, runtime.soft_age_ms) or viewer_id in self._refreshing:
            return
        if age_ms > runtime.soft_age_ms:
            if not self._old:
                asyncio.get_running_loop().call_later(GATHER_S, self._renew_some)
            self._old[viewer_id] = answered
        elif not self._refreshing and (now := self._clock.monotonic()) >= self._rests_until:
            pages, seconds = self._pages, now - self._counted
            self._pages, self._counted = 0, now
            if pages <= QUIET_PER_S * seconds:
                self._refresh(viewer_id)
            else:
                self._rests_until = now + 1

    def _renew_some(self) -> None:
        """Of the old lists that were asked for lately, rank those anew that answered most."""
        old, self._old = self._old, {}
        for viewer_id in heapq.nlargest(SOFT_AT_ONCE, old, key=lambda viewer: old[viewer]):
            if len(self._refreshing) >= SOFT_AT_ONCE or not self._soft.take(BUSY_COST if self._busy() else 1):
                return
            self._refresh(viewer_id)

    def _refresh(self, viewer_id: int) -> asyncio.Task[FrozenList | None]:
        """Rank behind an answer, once at a time for each viewer."""
        task = self._refreshing.get(viewer_id)
        if task is None:
            task = self._refreshing[viewer_id] = asyncio.create_task(self._rank_quietly(viewer_id))
            task.add_done_callback(lambda _: self._refreshing.pop(viewer_id, None))
        return task

    async def _rank_quietly(self, viewer_id: int) -> FrozenList | None:
        """Rank and keep a list; None, with a line in the log, when a store is away."""
        start = self._clock.monotonic()
        try:
            proposal = await self._proposals.get(viewer_id)
            frozen = await self._arrange(viewer_id, proposal, RANKED)
            await self._kept.put(viewer_id, frozen, first=True)
            self._renewed(viewer_id)
        except StoreUnavailableError as error:
            log.warning("feed.not_refreshed", viewer_id=viewer_id, store=error.store, reason=error.reason)
            return None
        else:
            return frozen
        finally:
            now = self._clock.monotonic()
            self._rests_until = now + YOUNG_REST * (now - start)

    async def _cut(self, frozen: FrozenList, at: Cursor, limit: int, *, cache_hit: bool) -> Page:
        # Of a list made this moment nothing is newer, and nobody need be asked.
        newer = asyncio.ensure_future(self.rules.newer(at.viewer_id, frozen.as_of_ms)) if cache_hit else None
        part = await cut(
            frozen,
            lambda posts, authors: self.rules.read(at.viewer_id, posts, authors),
            position=at.position,
            served=at.served,
            tail=at.tail,
            limit=limit,
            rule=self._runtime.now.saturation,
        )
        return Page(
            frozen,
            part,
            self._next(frozen, at, part),
            cache_hit,
            fallback=frozen.reason not in ("", SWITCHED_OFF),
            reason=frozen.reason,
            first_position=at.served,
            newer=0 if newer is None else await newer,
            may_be_kept=frozen.source == RANKED and part.current and self._runtime.now.enable_caching,
        )

    def _next(self, frozen: FrozenList, at: Cursor, part: Cut) -> str | None:
        if part.position >= len(frozen) or not part.rows:
            return None
        last = part.rows[-1]
        shown = (*at.tail, *(int(frozen.candidates.author_id[row]) for row in part.rows))
        return self._signer.encode(
            Cursor(
                at.viewer_id,
                frozen.list_id,
                part.position,
                at.served + len(part.rows),
                int(frozen.candidates.post_id[last]),
                float(frozen.scores.total[last]),
                shown[-TAIL:],
            )
        )


def lot(viewer_id: int, now_ms: int) -> int:
    """What the lot for this viewer is drawn with: another one every hour, the same within it."""
    return (viewer_id << 24) + now_ms // 3_600_000
