"""Hints about whom to follow, as two stores know them: ClickHouse, for many viewers at once; PostgreSQL, for one.

PostgreSQL's are bounded whoever asks: the 100 newest followees and 100 follows of each, the viewer's 200 newest likes
and comments, the authors of the network's 2,000 newest likes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import asyncpg

from nova_feed.away import POSTGRES_AWAY
from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.ops import tracing
from nova_feed.ranking import Hint, Kind
from nova_feed.store.client import Store

POPULAR_AGE_S = 30.0
_NOT_FOLLOWED = "NOT EXISTS (SELECT FROM follows k WHERE (k.follower_id, k.followee_id) = ($1, x.person))"
_CIRCLE = f"""
SELECT person, count(*), (array_agg(via ORDER BY via))[1:5] FROM (
    SELECT f.followee_id AS person, mine.followee_id AS via
    FROM (
        SELECT followee_id FROM follows WHERE follower_id = $1 ORDER BY created_at DESC, followee_id LIMIT 100
    ) AS mine
    CROSS JOIN LATERAL (SELECT followee_id FROM follows WHERE follower_id = mine.followee_id LIMIT 100) AS f
) AS x WHERE person <> $1 AND {_NOT_FOLLOWED}
GROUP BY person ORDER BY 2 DESC, 1 LIMIT 100
"""  # noqa: S608  constants of ours
_READ = f"""
SELECT person, count(*) FROM (
    SELECT p.author_id AS person FROM (
        (SELECT post_id FROM likes WHERE user_id = $1 ORDER BY id DESC LIMIT 200)
        UNION ALL (SELECT post_id FROM comments WHERE user_id = $1 ORDER BY id DESC LIMIT 200)
    ) AS mine JOIN posts p ON p.id = mine.post_id
) AS x WHERE person <> $1 AND {_NOT_FOLLOWED}
GROUP BY person ORDER BY 2 DESC, 1 LIMIT 100
"""  # noqa: S608
_POPULAR = f"""
SELECT person, count(*) FROM (
    SELECT p.author_id AS person FROM (SELECT post_id FROM likes ORDER BY id DESC LIMIT 2000) AS newest
    JOIN posts p ON p.id = newest.post_id
) AS x WHERE person <> $1 AND {_NOT_FOLLOWED}
GROUP BY person ORDER BY 2 DESC, 1 LIMIT 100
"""  # noqa: S608


class ClickHouseHints:
    """Raises StoreUnavailableError."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._popular: tuple[float, list[Hint]] | None = None
        self._lock = asyncio.Lock()

    async def read(self, viewers: Sequence[int]) -> Mapping[int, list[Hint]]:
        """The hints of each viewer, from one query for all of them (and one, shared, now and then)."""
        rows, popular = await asyncio.gather(self._store.select("suggestions", viewers=list(viewers)), self.popular())
        found = {viewer: list(popular) for viewer in viewers}
        columns = (rows[name].tolist() for name in ("viewer_id", "person_id", "kind", "amount", "vias"))
        for viewer, person, kind, amount, vias in zip(*columns, strict=True):
            found[viewer].append(Hint(person, Kind(kind), amount, tuple(map(int, vias.split(","))) if vias else ()))
        return found

    async def popular(self) -> list[Hint]:
        """Whom most people follow, the same for every viewer."""
        async with self._lock:
            now = self._clock.monotonic()
            if self._popular is None or now - self._popular[0] > POPULAR_AGE_S:
                rows = await self._store.select("popular")
                people = zip(rows["person_id"].tolist(), rows["followers"].tolist(), strict=True)
                self._popular = (now, [Hint(person, Kind.POPULAR, followers) for person, followers in people])
            return self._popular[1]


async def from_postgres(pool: asyncpg.Pool, viewer_id: int) -> list[Hint]:
    """The hints of one viewer: friends of friends, authors liked and commented on, who is liked now."""
    try:
        async with pool.acquire(timeout=0.25) as connection:
            with tracing.reading("hints"):
                circle = await connection.fetch(_CIRCLE, viewer_id, timeout=0.6)
                read = await connection.fetch(_READ, viewer_id, timeout=0.6)
                popular = await connection.fetch(_POPULAR, viewer_id, timeout=0.6)
    except POSTGRES_AWAY as error:
        raise StoreUnavailableError("postgres", str(error) or type(error).__name__) from error
    return [
        *(Hint(person, Kind.FOLLOWED_BY, amount, tuple(vias)) for person, amount, vias in circle),
        *(Hint(person, Kind.READ, amount) for person, amount in read),
        *(Hint(person, Kind.POPULAR, amount) for person, amount in popular),
    ]
