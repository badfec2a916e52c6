"""A new post makes its author's followers' cached lists out of date: the next page they ask for is ranked anew.

Looks at what the ranker will read, not at Kafka: a list that is forgotten before the counters table has the post would
be ranked without it, and stay so for its whole life.
"""

from __future__ import annotations

import asyncio

import structlog

from nova_feed.cache.lists import ListCache
from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.store.client import Store

log = structlog.get_logger(__name__)
LOOK_BACK_MS = 60_000  # a post may become visible this long after its own created_at


class Invalidation:
    """Polls for posts that became visible to the ranker."""

    def __init__(self, store: Store, lists: ListCache, clock: Clock) -> None:
        self._store, self._lists, self._clock = store, lists, clock
        self._known: dict[int, int] = {}

    async def run(self, every_s: float = 0.3) -> None:
        """Poll until cancelled. A store that is away is waited for."""
        while True:
            try:
                await self.step()
            except StoreUnavailableError as error:
                log.warning("invalidation.waiting", store=error.store, reason=error.reason)
                await asyncio.sleep(1)
            await asyncio.sleep(every_s)

    async def step(self) -> int:
        """One round: returns how many new posts were seen."""
        since = self._clock.now_ms() - LOOK_BACK_MS
        rows = await self._store.select("new_posts", since_ms=since)
        posts = dict(zip(rows["post_id"].tolist(), rows["author_id"].tolist(), strict=True))
        fresh = {post: author for post, author in posts.items() if post not in self._known}
        if fresh:
            followers = await self._store.select("followers", authors=sorted(set(fresh.values())))
            await self._lists.forget(followers["follower_id"].tolist())
        self._known = posts
        return len(fresh)
