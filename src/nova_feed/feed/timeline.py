"""Candidates from PostgreSQL alone: the fallback, and what ``algo=timeline`` asks for.

Newest first, by the same pipeline: a score of freshness alone.
"""

from __future__ import annotations

import asyncpg
import numpy as np

from nova_feed.away import POSTGRES_AWAY
from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.known import Proposal
from nova_feed.model import CANARY_AUTHOR
from nova_feed.ops import tracing
from nova_feed.ranking import Candidates, Source, ViewerRules, Weights

TIMELINE_WEIGHTS = Weights(freshness=1.0, engagement=0.0, affinity=0.0, version="timeline")
_ROWS = """
SELECT p.id, p.author_id, p.created_at FROM follows f
CROSS JOIN LATERAL (
    SELECT id, author_id, created_at FROM posts WHERE author_id = f.followee_id ORDER BY created_at DESC LIMIT 20) p
WHERE f.follower_id = $1 ORDER BY p.created_at DESC, p.id DESC LIMIT 500
"""
_NEWEST = """
SELECT id, author_id, created_at FROM posts
WHERE author_id <> $1 AND author_id <> ALL (ARRAY(SELECT id FROM users WHERE username = $2))
ORDER BY created_at DESC, id DESC LIMIT 200
"""
_RULES = """
SELECT ARRAY(SELECT blocked_id FROM blocks WHERE blocker_id = $1
          UNION SELECT blocker_id FROM blocks WHERE blocked_id = $1),
    ARRAY(SELECT muted_id FROM mutes WHERE muter_id = $1)
"""
ANSWER_S = 0.6  # of one query: a little more than the server gives it, so that a server that hangs is given up
IN_LINE_S = 1.0  # for a connection: when ClickHouse is away a crowd comes here
FEW = 20  # with fewer posts of followees than this, the newest of everybody fill the list


class Timeline:
    """Reads proposals from PostgreSQL, through a pool of its own. Raises StoreUnavailableError."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def propose(self, viewer_id: int) -> Proposal:
        """The newest posts of whom the viewer follows; of everybody, when those are few."""
        try:
            async with self._pool.acquire(timeout=IN_LINE_S) as connection:
                with tracing.reading("timeline"):
                    rows = await connection.fetch(_ROWS, viewer_id, timeout=ANSWER_S)
                    followees = [row[1] for row in rows]
                    if len(rows) < FEW:
                        rows = [*rows, *await connection.fetch(_NEWEST, viewer_id, CANARY_AUTHOR, timeout=ANSWER_S)]
                    [(blocked, muted)] = await connection.fetch(_RULES, viewer_id, timeout=ANSWER_S)
        except POSTGRES_AWAY as error:
            raise StoreUnavailableError("postgres", str(error) or type(error).__name__) from error
        candidates = Candidates.make(
            post_id=np.array([row[0] for row in rows], dtype=np.int64),
            author_id=np.array([row[1] for row in rows], dtype=np.int64),
            created_ms=np.array([round(row[2].timestamp() * 1000) for row in rows], dtype=np.int64),
            sources=Source.TIMELINE,
        )
        rules = ViewerRules(
            viewer_id,
            blocked_authors=np.array(blocked, dtype=np.int64),
            muted_authors=np.array(muted, dtype=np.int64),
        )
        return Proposal(candidates, rules, np.unique(np.array(followees, dtype=np.int64)))
