"""Frozen lists as bytes: written once, read by every page of a cursor, gone when nobody reads them."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Iterable, Sequence
from typing import Self, cast

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import OutOfMemoryError, RedisError

from nova_feed.cache.keys import FEED, LIST
from nova_feed.cache.measured import MeasuredRedis
from nova_feed.errors import StoreUnavailableError

TIMEOUT_S = 0.1
JITTER = 0.1


class ListCache:
    """Every method raises StoreUnavailableError within about 100 ms when Valkey does not answer; nothing is retried."""

    def __init__(self, client: redis.Redis, *, feed_ttl_s: int = FEED.ttl_s, list_ttl_s: int = LIST.ttl_s) -> None:
        self.client, self._feed_ttl_s, self._list_ttl_s = client, feed_ttl_s, list_ttl_s

    @classmethod
    def connect(cls, url: str, *, feed_ttl_s: int = FEED.ttl_s, list_ttl_s: int = LIST.ttl_s) -> Self:
        """Make the client; nothing is sent yet."""
        client = MeasuredRedis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, max_connections=100,
            retry=Retry(NoBackoff(), 0), client_name="nova", protocol=3, health_check_interval=0,
        )  # fmt: skip
        return cls(client, feed_ttl_s=feed_ttl_s, list_ttl_s=list_ttl_s)

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    async def first(self, viewer_id: int) -> bytes | None:
        """The list that answers this viewer's first pages, if there is one."""
        list_id = cast("bytes | None", await _call(self.client.get(FEED.of(viewer_id))))
        return None if list_id is None else await self.get(viewer_id, list_id.decode("ascii"))

    async def still_first(self, viewer_id: int, list_id: str) -> bool:
        """Whether this list answers first pages still; its life is renewed."""
        pipeline = self.client.pipeline(transaction=False)
        pipeline.get(FEED.of(viewer_id))
        pipeline.expire(LIST.of(viewer_id, list_id), self._list_ttl_s)
        named, kept = cast("tuple[bytes | None, int]", await _call(pipeline.execute()))
        return named == list_id.encode() and bool(kept)

    async def get(self, viewer_id: int, list_id: str) -> bytes | None:
        """A list, its life renewed; None when it has expired."""
        found = await _call(self.client.getex(LIST.of(viewer_id, list_id), ex=self._list_ttl_s))
        return cast("bytes | None", found)

    async def put(self, viewer_id: int, list_id: str, body: bytes, *, first: bool) -> None:
        """Keep a list; with ``first`` it also answers the viewer's first pages from now on."""
        pipeline = self.client.pipeline(transaction=False)
        pipeline.set(LIST.of(viewer_id, list_id), body, ex=self._list_ttl_s)
        if first:  # a little less than its life for each another time: what was made together is not missed together
            life_s = self._feed_ttl_s * random.uniform(1 - JITTER, 1)  # noqa: S311  no secret
            pipeline.set(FEED.of(viewer_id), list_id, px=max(1, int(life_s * 1000)))
        await _call(pipeline.execute())

    async def cold(self, viewers: Sequence[int]) -> list[int]:
        """Those of the viewers who have no list that would answer a first page."""
        if not viewers:
            return []
        found = cast("list[bytes | None]", await _call(self.client.mget([FEED.of(viewer) for viewer in viewers])))
        return [viewer for viewer, list_id in zip(viewers, found, strict=True) if list_id is None]

    async def forget(self, viewers: Iterable[int]) -> None:
        """The next first page of these viewers is ranked anew. Cursors already handed out stay good."""
        keys = [FEED.of(viewer) for viewer in viewers]
        for start in range(0, len(keys), 1000):
            await _call(self.client.unlink(*keys[start : start + 1000]))

    async def version(self) -> str:
        """The server's version, by a real call."""
        info = cast("dict[str, object]", await _call(self.client.info("server")))
        return str(info.get("valkey_version") or info["redis_version"])


async def _call(answer: Awaitable[object]) -> object:
    try:
        return await answer
    except OutOfMemoryError as error:  # nothing new is kept; what is kept can be read
        raise StoreUnavailableError("valkey", "it is full", answers=True) from error
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailableError("valkey", str(error) or type(error).__name__) from error
