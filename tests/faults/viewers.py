"""Who reads the feed beside a fault, and whom they must not see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import asyncpg

from tests.app import REGULARS

VIEWERS = range(81, REGULARS + 1)
BLOCKING = VIEWERS[:12]
Pair = tuple[int, int]
_HIDDEN = """
SELECT blocker_id, blocked_id FROM blocks WHERE blocker_id = ANY($1::bigint[])
UNION SELECT blocked_id, blocker_id FROM blocks WHERE blocked_id = ANY($1::bigint[])
UNION SELECT muter_id, muted_id FROM mutes WHERE muter_id = ANY($1::bigint[])
"""
_BLOCK = """
INSERT INTO blocks (blocker_id, blocked_id)
SELECT follower_id, max(followee_id) FROM follows
WHERE follower_id = ANY($1::bigint[]) AND NOT EXISTS (
    SELECT FROM blocks WHERE (blocker_id, blocked_id) = (follower_id, followee_id))
GROUP BY follower_id RETURNING blocker_id, blocked_id
"""
_UNBLOCK = "DELETE FROM blocks WHERE (blocker_id, blocked_id) = ($1, $2)"


async def block(sql: asyncpg.Connection) -> list[Pair]:
    """Some viewers block somebody they follow: (blocker, blocked)."""
    return [(row[0], row[1]) for row in await sql.fetch(_BLOCK, list(BLOCKING))]


async def unblock(sql: asyncpg.Connection, blocks: Sequence[Pair]) -> None:
    """They take it back."""
    await sql.executemany(_UNBLOCK, blocks)


async def hidden(sql: asyncpg.Connection, viewers: Sequence[int] = VIEWERS) -> Mapping[int, frozenset[int]]:
    """viewer -> the authors who are blocked, in either direction, or muted."""
    rows = await sql.fetch(_HIDDEN, list(viewers))
    return {viewer: frozenset(author for who, author in rows if who == viewer) for viewer in viewers}
