"""Keeps what the ranker reads fresh, and forgets the lists that a new post makes out of date.

The counters table is rebuilt here, one rebuild after the other with a pause between them, so that a post or an event is
counted a fraction of a second after it arrived; ClickHouse's own schedule, slower, goes on when no worker does it.
Cached lists are forgotten after the rebuild that brought the post, not when Kafka had it: a list that is forgotten
before the table has the post would be ranked without it, and stay so for its whole life.
"""

from __future__ import annotations

import asyncio

import structlog
from clickhouse_connect.driver.exceptions import ClickHouseError

from nova_feed.cache.lists import ListCache
from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.store.client import Store

log = structlog.get_logger(__name__)
LOOK_BACK_MS = 60_000  # a post may become visible this long after its own created_at
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 3.0  # a rebuild that only had to wait says little about the next
SHARE = 0.2  # of the time that rebuilding may take: the pause grows with the table


class Invalidation:
    """Rebuilds the counters, and looks for posts that became visible to the ranker."""

    def __init__(self, store: Store, lists: ListCache, clock: Clock) -> None:
        self._store, self._lists, self._clock = store, lists, clock
        self._known: dict[int, int] = {}

    async def run(self) -> None:
        """Rebuild and look until cancelled. A store that is away is waited for."""
        while True:
            took_s = 0.0
            try:
                took_s = await self.rebuild()
                await self.step()
            except StoreUnavailableError as error:
                log.warning("invalidation.waiting", store=error.store, reason=error.reason)
                await asyncio.sleep(1)
            await asyncio.sleep(pause_s(took_s))

    async def rebuild(self) -> float:
        """Rebuild the counters table; returns the seconds it took. Raises StoreUnavailableError."""
        start = self._clock.monotonic()
        try:
            await self._store.command("SYSTEM REFRESH VIEW hot_posts")
            await self._store.command("SYSTEM WAIT VIEW hot_posts")
        except ClickHouseError as error:
            raise StoreUnavailableError("clickhouse", f"hot_posts was not rebuilt: {str(error)[:200]}") from error
        return self._clock.monotonic() - start

    async def step(self) -> int:
        """One look: returns how many new posts were seen. Raises StoreUnavailableError."""
        since = self._clock.now_ms() - LOOK_BACK_MS
        rows = await self._store.select("new_posts", since_ms=since)
        posts = dict(zip(rows["post_id"].tolist(), rows["author_id"].tolist(), strict=True))
        fresh = {post: author for post, author in posts.items() if post not in self._known}
        if fresh:
            followers = await self._store.select("followers", authors=sorted(set(fresh.values())))
            await self._lists.forget(followers["follower_id"].tolist())
        self._known = posts
        return len(fresh)


def pause_s(took_s: float) -> float:
    """How long to rest after a rebuild that took so long."""
    return min(LONGEST_PAUSE_S, max(SHORTEST_PAUSE_S, took_s * (1 - SHARE) / SHARE))
