"""The metrics of a day as bytes."""

from __future__ import annotations

from datetime import date
from typing import cast

import redis.asyncio as redis
from redis.exceptions import RedisError

from nova_feed.cache.keys import DAILY
from nova_feed.errors import StoreUnavailableError


class DailyCache:
    """Every method raises StoreUnavailableError when Valkey does not answer in time; nothing is retried."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    async def get(self, day: date) -> bytes | None:
        """What is kept of a day, None when nothing is."""
        try:
            return cast("bytes | None", await self._client.get(DAILY.of(day.isoformat())))
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailableError("valkey", str(error) or type(error).__name__) from error

    async def put(self, day: date, body: bytes, ttl_s: int = DAILY.ttl_s) -> None:
        """Keep a day."""
        try:
            await self._client.set(DAILY.of(day.isoformat()), body, ex=ttl_s)
        except (RedisError, OSError, TimeoutError) as error:
            raise StoreUnavailableError("valkey", str(error) or type(error).__name__) from error
