"""Which build of the ranker's tables is the newest: told by whoever rebuilds them, so that no process uses an older."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import cast

import redis.asyncio as redis

from nova_feed.cache.keys import BUILDS
from nova_feed.cache.valkey import asked


class Builds:
    """Every method raises StoreUnavailableError as those of ``ListCache`` do."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    async def tell(self, table: str) -> None:
        """There is a new build of this table."""
        pipeline = self._client.pipeline(transaction=False)
        pipeline.hset(BUILDS.of(), table, secrets.token_hex(6))
        pipeline.expire(BUILDS.of(), BUILDS.ttl_s)
        await asked(pipeline.execute())

    async def newest(self) -> Mapping[str, str]:
        """table -> its newest build, any text; tables of which nothing was told for an hour are not in it."""
        told = cast("dict[bytes, bytes]", await asked(self._client.hgetall(BUILDS.of())))
        return {table.decode(): build.decode() for table, build in told.items()}
