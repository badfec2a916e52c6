"""What trends, as two stores know it: ClickHouse, exactly; PostgreSQL, from the newest rows alone."""

from __future__ import annotations

import asyncpg
import numpy as np

from nova_feed.away import POSTGRES_AWAY
from nova_feed.errors import StoreUnavailableError
from nova_feed.ops import tracing
from nova_feed.ranking import Candidates, Source
from nova_feed.store.client import Store

NEWEST = 20_000
# The newest rows by identity, which an index hands over in this order: the cost does not grow with the tables.
_RECENT = f"""
WITH recent AS (
    SELECT post_id, 1 AS weight FROM (SELECT post_id, created_at FROM likes ORDER BY id DESC LIMIT {NEWEST}) AS l
    WHERE created_at > now() - make_interval(secs => $1)
    UNION ALL
    SELECT post_id, 2 FROM (SELECT post_id, created_at FROM comments ORDER BY id DESC LIMIT {NEWEST}) AS c
    WHERE created_at > now() - make_interval(secs => $1)
), engaged AS (
    SELECT post_id, count(*) FILTER (WHERE weight = 1) AS likes, count(*) FILTER (WHERE weight = 2) AS comments
    FROM recent GROUP BY post_id ORDER BY sum(weight) DESC, post_id DESC LIMIT 2000
)
SELECT p.id, p.author_id, p.created_at, likes, comments FROM engaged JOIN posts p ON p.id = post_id
"""  # noqa: S608  a number of ours


async def from_clickhouse(store: Store, window_s: int) -> Candidates:
    """Posts with likes, comments and shares of the last ``window_s`` seconds. Raises StoreUnavailableError."""
    engaged = await store.select("engaged", window_s=window_s)
    posts = await store.select("authorship", posts=engaged["post_id"].tolist())
    order = np.argsort(engaged["post_id"])
    at = order[np.searchsorted(engaged["post_id"], posts["post_id"], sorter=order)] if len(order) else order
    return Candidates.make(
        post_id=posts["post_id"], author_id=posts["author_id"], created_ms=posts["created_ms"],
        likes=engaged["likes"][at], comments=engaged["comments"][at], shares=engaged["shares"][at],
        sources=Source.TRENDING,
    )  # fmt: skip


async def from_postgres(pool: asyncpg.Pool, window_s: int) -> Candidates:
    """The same from the newest 20,000 likes and comments alone, without shares. Raises StoreUnavailableError."""
    try:
        async with pool.acquire(timeout=0.25) as connection:
            with tracing.reading("engagement"):
                rows = await connection.fetch(_RECENT, float(window_s), timeout=0.6)
    except POSTGRES_AWAY as error:
        raise StoreUnavailableError("postgres", str(error) or type(error).__name__) from error
    columns = np.array([(row[0], row[1], round(row[2].timestamp() * 1000), row[3], row[4]) for row in rows], np.int64)
    post, author, created, likes, comments = columns.reshape(-1, 5).T
    return Candidates.make(
        post_id=post, author_id=author, created_ms=created, likes=likes, comments=comments, sources=Source.TRENDING
    )
