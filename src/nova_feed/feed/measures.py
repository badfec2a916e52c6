"""What both stores know of one post that a ranking is made from, side by side: for people who doubt a score."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import asyncpg

from nova_feed.away import POSTGRES_AWAY
from nova_feed.errors import StoreUnavailableError
from nova_feed.store.client import Store

_SQL = """
SELECT author_id, (extract(epoch FROM created_at) * 1000)::bigint AS created_ms,
    (SELECT count(*) FROM likes WHERE post_id = posts.id) AS likes,
    (SELECT count(*) FROM comments WHERE post_id = posts.id) AS comments
FROM posts WHERE id = $1
"""
IN_BOTH = ("author_id", "created_ms", "likes", "comments")


@dataclass(frozen=True, slots=True)
class Measures:
    """``rows``: place -> its numbers (``posts`` is PostgreSQL's, the others are the ranker's tables).

    ``away``: store -> why it could not be asked.
    """

    rows: dict[str, dict[str, int]]
    away: dict[str, str]

    @property
    def differ(self) -> list[str]:
        """What a place says otherwise than PostgreSQL does, as ``place.name``; a moment of lag is no fault."""
        truth = self.rows.get("posts")
        if truth is None:
            return []
        others = ((place, row) for place, row in self.rows.items() if place != "posts")
        return [f"{place}.{name}" for place, row in others for name in IN_BOTH if row[name] != truth[name]]


class PostMeasures:
    """Reads measures. A store that is away is named in the answer; nothing is raised for it."""

    def __init__(self, pool: asyncpg.Pool, store: Store) -> None:
        self._pool, self._store = pool, store

    async def read(self, post_id: int) -> Measures:
        """Of a post nobody knows there are no rows."""
        found = Measures({}, {})
        for part in await asyncio.gather(self._postgres(post_id), self._clickhouse(post_id), return_exceptions=True):
            if isinstance(part, StoreUnavailableError):
                found.away[part.store] = part.reason
            elif isinstance(part, BaseException):
                raise part
            else:
                found.rows.update(part)
        return found

    async def _postgres(self, post_id: int) -> dict[str, dict[str, int]]:
        try:
            async with self._pool.acquire(timeout=0.5) as connection:
                row = await connection.fetchrow(_SQL, post_id, timeout=1)
        except POSTGRES_AWAY as error:
            raise StoreUnavailableError("postgres", str(error) or type(error).__name__) from error
        return {} if row is None else {"posts": dict(row)}

    async def _clickhouse(self, post_id: int) -> dict[str, dict[str, int]]:
        columns = await self._store.select("post_measures", post=post_id)
        names = [name for name in columns if name != "place"]
        return {str(place): {name: int(columns[name][i]) for name in names} for i, place in enumerate(columns["place"])}
