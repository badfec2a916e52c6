"""The metrics of a day as bytes."""

from __future__ import annotations

from datetime import date
from typing import cast

import redis.asyncio as redis

from nova_feed.cache.keys import DAILY
from nova_feed.cache.valkey import asked


class DailyCache:
    """Every method raises StoreUnavailableError when Valkey does not answer in time; nothing is retried."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    async def get(self, day: date) -> bytes | None:
        """What is kept of a day, None when nothing is."""
        return cast("bytes | None", await asked(self._client.get(DAILY.of(day.isoformat()))))

    async def put(self, day: date, body: bytes, ttl_s: int = DAILY.ttl_s) -> None:
        """Keep a day."""
        await asked(self._client.set(DAILY.of(day.isoformat()), body, ex=ttl_s))
