"""The viewer's rules about people, read anew for every list of them: as ``rules`` does for posts.

PostgreSQL is asked first, because there a follow or a block holds from its commit on; ClickHouse, seconds behind, when
PostgreSQL does not answer. When neither does, the read fails closed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from nova_feed.away import POSTGRES_AWAY
from nova_feed.feed.known import BLOCKED, FOLLOWS, MUTED
from nova_feed.model import CANARY_AUTHOR, CANARY_VIEWER
from nova_feed.ops import tracing
from nova_feed.store.client import Store

_SQL = """
SELECT u.id, u.username,
    EXISTS (SELECT FROM follows WHERE (follower_id, followee_id) = ($1, u.id)),
    EXISTS (SELECT FROM blocks WHERE (blocker_id, blocked_id) = ($1, u.id))
        OR EXISTS (SELECT FROM blocks WHERE (blocker_id, blocked_id) = (u.id, $1))
        OR EXISTS (SELECT FROM mutes WHERE (muter_id, muted_id) = ($1, u.id))
        OR EXISTS (SELECT FROM mutes WHERE (muter_id, muted_id) = (u.id, $1))
FROM users u WHERE u.id = ANY($2::bigint[])
"""


@dataclass(frozen=True, slots=True)
class PeopleRules:
    """Of the people asked about: the names of those who exist and are not hidden, and whom the viewer follows.

    Hidden is who blocked or muted the viewer, whom the viewer blocked or muted, and the canary, who is nobody.
    """

    names: Mapping[int, str]
    followed: frozenset[int]


class People:
    """Reads people rules. Raises StoreUnavailableError when neither store answers."""

    def __init__(self, pool: asyncpg.Pool, store: Store) -> None:
        self._pool, self._store = pool, store

    async def read(self, viewer_id: int, people: Sequence[int]) -> PeopleRules:
        """The rules about these people, as of now."""
        try:
            async with self._pool.acquire(timeout=0.25) as connection:
                with tracing.reading("people"):
                    rows = await connection.fetch(_SQL, viewer_id, people, timeout=0.5)
        except POSTGRES_AWAY:
            return await self._from_clickhouse(viewer_id, people)
        return _rules([(row[0], row[1], row[2], row[3]) for row in rows])

    async def _from_clickhouse(self, viewer_id: int, people: Sequence[int]) -> PeopleRules:
        found = await self._store.select("people", viewer=viewer_id, people=list(people))
        rows = zip(found["id"].tolist(), found["username"].tolist(), found["relation"].tolist(), strict=True)
        return _rules([(id_, name, bool(bits & FOLLOWS), bool(bits & (BLOCKED | MUTED))) for id_, name, bits in rows])


def _rules(rows: Sequence[tuple[int, str, bool, bool]]) -> PeopleRules:
    return PeopleRules(
        {id_: name for id_, name, _, hidden in rows if not hidden and name not in {CANARY_AUTHOR, CANARY_VIEWER}},
        frozenset(id_ for id_, _, follows, _ in rows if follows),
    )
