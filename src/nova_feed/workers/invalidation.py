"""Keeps what the ranker reads fresh, and says which lists a new post makes out of date.

The counters table is rebuilt here, one rebuild after the other with a pause between them, so that a post or an event is
counted a fraction of a second after it arrived; ClickHouse's own schedule, slower, goes on when no worker does it.
While nothing arrives nothing is rebuilt: to ask costs a tenth.
Cached lists are outdated after the rebuild that brought the post, not when Kafka had it: a list that is ranked anew
before the table has the post would be ranked without it, and stay so for its whole life.

Only so many lists are outdated a second: where people post faster than lists can be ranked anew, to ask for each of
them costs more than it gives. The others are ranked anew behind the next answer, as every old list is.
"""

from __future__ import annotations

import asyncio
from collections import deque

import structlog

from nova_feed.cache.builds import Builds
from nova_feed.cache.lists import ListCache
from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.allowance import Allowance
from nova_feed.store.client import Store
from nova_feed.workers.tables import HOT, rebuild

log = structlog.get_logger(__name__)
LOOK_BACK_MS = 60_000  # a post may become visible this long after its own created_at
OUTDATED_PER_S = 100.0  # lists; past it those of the followers of a new post answer until they are old by themselves
REMEMBERED = 8  # rebuilds


class Invalidation:
    """Rebuilds the counters, and looks for posts that became visible to the ranker."""

    def __init__(self, store: Store, lists: ListCache, builds: Builds, clock: Clock) -> None:
        self._store, self._lists, self._builds, self._clock = store, lists, builds, clock
        self._known: dict[int, int] = {}
        self._allowance = Allowance(clock, per_s=OUTDATED_PER_S)
        self._took_s: deque[float] = deque(maxlen=REMEMBERED)
        self._made_from: int | None = None

    async def run(self) -> None:
        """Rebuild and look until cancelled. A store that is away is waited for."""
        while True:
            try:
                await self.renew()
            except StoreUnavailableError as error:
                self._made_from = None
                log.warning("invalidation.waiting", store=error.store, reason=error.reason)
                await asyncio.sleep(1)
            # The quickest of late is what the work costs; the others had to wait for a processor, and to rest longer
            # for that would only make the counters older where they are old already.
            await asyncio.sleep(HOT.after(min(self._took_s, default=0.0)))

    async def renew(self) -> None:
        """Rebuild and look, if something came since. Raises StoreUnavailableError."""
        [state] = (await self._store.select("hot_inputs"))["state"].tolist()
        if state != self._made_from:
            self._took_s.append(await rebuild(self._store, self._builds, self._clock, "hot_posts"))
            await self.step()
            self._made_from = state

    async def step(self) -> int:
        """One look: returns how many new posts were seen. Raises StoreUnavailableError."""
        since = self._clock.now_ms() - LOOK_BACK_MS
        rows = await self._store.select("new_posts", since_ms=since)
        posts = dict(zip(rows["post_id"].tolist(), rows["author_id"].tolist(), strict=True))
        fresh = {post: author for post, author in posts.items() if post not in self._known}
        if fresh:
            followers = await self._store.select("followers", authors=sorted(set(fresh.values())))
            await self._lists.outdate([who for who in followers["follower_id"].tolist() if self._allowance.take()])
        self._known = posts
        return len(fresh)
