"""Trending and suggestions as bytes, and who asked for suggestions lately."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import redis.asyncio as redis

from nova_feed.cache.keys import SUGGESTED, SUGGESTING, TRENDING
from nova_feed.cache.valkey import asked

MOST_ASKING = 10_000


class DiscoveryCache:
    """Every method raises StoreUnavailableError when Valkey does not answer in time; nothing is retried."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    async def trending(self, window: str) -> bytes | None:
        """The list of a window, None when there is none."""
        return cast("bytes | None", await asked(self._client.get(TRENDING.of(window))))

    async def put_trending(self, window: str, body: bytes) -> None:
        """Keep the list of a window."""
        await asked(self._client.set(TRENDING.of(window), body, ex=TRENDING.ttl_s))

    async def suggested(self, viewer_id: int, now_ms: int) -> bytes | None:
        """The viewer's list, None when there is none. Remembers that this viewer asked."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.get(SUGGESTED.of(viewer_id))
        pipeline.zadd(SUGGESTING.of(), {str(viewer_id): now_ms})
        pipeline.zremrangebyrank(SUGGESTING.of(), 0, -MOST_ASKING - 1)
        pipeline.expire(SUGGESTING.of(), SUGGESTING.ttl_s)
        answers = cast("list[bytes | None]", await asked(pipeline.execute()))
        return answers[0]

    async def put_suggested(self, bodies: Mapping[int, bytes], *, ttl_s: int = SUGGESTED.ttl_s) -> None:
        """Keep the lists of these viewers."""
        pipeline = self._client.pipeline(transaction=False)
        for viewer_id, body in bodies.items():
            pipeline.set(SUGGESTED.of(viewer_id), body, ex=ttl_s)
        await asked(pipeline.execute())

    async def asking(self, since_ms: int, most: int) -> Sequence[int]:
        """Who asked for suggestions since then, the latest first."""
        found = await asked(
            self._client.zrange(SUGGESTING.of(), "+inf", str(since_ms), desc=True, byscore=True, offset=0, num=most)
        )
        return [int(viewer) for viewer in cast("list[bytes]", found)]
