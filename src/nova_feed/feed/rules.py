"""The viewer's rules, read anew for every page: what may have changed since the list was frozen.

PostgreSQL is asked first, because there a block holds from its commit on; ClickHouse, seconds behind, when PostgreSQL
does not answer. When neither does, the read fails closed: no page is better than the wrong page.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from nova_feed.away import POSTGRES_AWAY
from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.breaker import Breaker
from nova_feed.feed.coalesce import Coalescer
from nova_feed.feed.sources import BLOCKED, FOLLOWS, MUTED, UNFOLLOWED
from nova_feed.model import CANARY_AUTHOR
from nova_feed.ops import tracing
from nova_feed.store.client import Store

EVERYBODY = 0  # in the answer about posts: it is there, whoever asks
_Asked = tuple[int, tuple[int, ...]]  # viewer, posts
POSTGRES_OPEN_S = 1.0  # so long a rule may be ClickHouse's, seconds behind, after PostgreSQL is back
IN_LINE_S = 1.0  # for a connection, when many ask at once: ClickHouse would take longer, and be slowed for all
NEWEST = 1000  # of all posts since the list was made, in which those of followees are counted
_SQL = """
SELECT ARRAY(SELECT id FROM posts WHERE id = ANY($2::bigint[])
             AND NOT EXISTS (SELECT FROM nova_hidden WHERE user_id = $1 AND post_id = id)),
    ARRAY(SELECT blocked_id FROM blocks WHERE blocker_id = $1 AND blocked_id = ANY($3::bigint[])
          UNION SELECT blocker_id FROM blocks WHERE blocked_id = $1 AND blocker_id = ANY($3::bigint[])
          UNION SELECT muted_id FROM mutes WHERE muter_id = $1 AND muted_id = ANY($3::bigint[])
          UNION SELECT id FROM users WHERE username = $4 AND id = ANY($3::bigint[])
              AND NOT EXISTS (SELECT FROM follows WHERE follower_id = $1 AND followee_id = users.id)),
    ARRAY(SELECT followee_id FROM follows WHERE follower_id = $1 AND followee_id = ANY($3::bigint[]))
"""
_NEWER = """
SELECT count(*) FROM (
    SELECT author_id FROM posts WHERE created_at > to_timestamp($2::bigint / 1000.0) ORDER BY created_at DESC LIMIT $3
) AS p
WHERE EXISTS (SELECT FROM follows WHERE follower_id = $1 AND followee_id = author_id)
"""


@dataclass(frozen=True, slots=True)
class PageRules:
    """Of the posts and authors asked about: which posts exist and are not hidden by the viewer, which authors to leave
    out (the canary's, for whoever does not follow it), whom the viewer follows now.

    ``current``: as PostgreSQL has it, not as ClickHouse had it seconds ago.
    """

    existing: frozenset[int]
    hidden_authors: frozenset[int]
    followed: frozenset[int]
    current: bool = True

    def allows(self, post_id: int, author_id: int, *, was_followed: bool) -> bool:
        """Whether a row of a frozen list may still be shown. An author followed then and not now was unfollowed."""
        return (
            post_id in self.existing
            and author_id not in self.hidden_authors
            and (author_id in self.followed or not was_followed)
        )


class Rules:
    """Reads page rules. Raises StoreUnavailableError when neither store answers."""

    def __init__(self, pool: asyncpg.Pool, store: Store, clock: Clock) -> None:
        self._pool, self._store = pool, store
        self.postgres = Breaker("postgres", clock, open_s=POSTGRES_OPEN_S)
        self._elsewhere: Coalescer[_Asked, PageRules] = Coalescer(self._from_clickhouse)

    async def read(self, viewer_id: int, posts: Sequence[int], authors: Sequence[int]) -> PageRules:
        """The rules about these posts and authors, as of now."""
        try:
            wait_s = 0.25 if self.postgres.doubted else IN_LINE_S
            row = await self.postgres.call(lambda: self._ask(wait_s, _SQL, viewer_id, posts, authors, CANARY_AUTHOR))
        except StoreUnavailableError:
            return await self._elsewhere.get((viewer_id, tuple(posts)))
        existing, hidden, followed = (frozenset(ids) for ids in row)
        return PageRules(existing, hidden, followed)

    async def newer(self, viewer_id: int, since_ms: int) -> int | None:
        """How many posts of followees were made since; None when PostgreSQL does not say, or failed when asked last."""
        if self.postgres.doubted:
            return None
        try:
            [count] = await self._ask(0.1, _NEWER, viewer_id, since_ms, NEWEST)
        except StoreUnavailableError:
            return None
        return int(count)

    async def _ask(self, wait_s: float, sql: str, *values: object) -> asyncpg.Record:
        """One row, after ``wait_s`` for a connection at most. Raises StoreUnavailableError; that all connections of the
        pool are at work says nothing about health."""
        connected = False
        try:
            async with self._pool.acquire(timeout=wait_s) as connection:
                connected = True
                with tracing.reading("rules"):
                    [row] = await connection.fetch(sql, *values, timeout=0.5)
        except POSTGRES_AWAY as error:
            busy = (
                not connected and isinstance(error, TimeoutError) and self._pool.get_size() == self._pool.get_max_size()
            )
            raise StoreUnavailableError("postgres", str(error) or type(error).__name__, answers=busy) from error
        return row

    async def _from_clickhouse(self, asked: Sequence[_Asked]) -> Mapping[_Asked, PageRules]:
        """Two queries for all pages that wait: without PostgreSQL every page of everybody asks for its rules here."""
        viewers = sorted({viewer_id for viewer_id, _ in asked})
        posts = sorted({post for _, wanted in asked for post in wanted})
        pairs, standing = await asyncio.gather(
            self._store.select("pairs", viewers=viewers), self._store.select("standing", viewers=viewers, posts=posts)
        )
        found: dict[_Asked, PageRules] = {}
        for viewer_id, wanted in asked:
            mine = pairs["viewer_id"] == viewer_id
            author, relation = pairs["author_id"][mine], pairs["relation"][mine]
            existing = set(standing["post_id"][standing["viewer_id"] == EVERYBODY].tolist())
            hidden = set(standing["post_id"][standing["viewer_id"] == viewer_id].tolist())
            found[viewer_id, wanted] = PageRules(
                frozenset((existing & set(wanted)) - hidden),
                frozenset(author[relation & (BLOCKED | MUTED | UNFOLLOWED) > 0].tolist()),
                frozenset(author[relation & FOLLOWS > 0].tolist()),
                current=False,
            )
        return found
