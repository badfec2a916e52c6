"""The viewer's rules, read anew for every page: what may have changed since the list was frozen.

PostgreSQL is asked first, because there a block holds from its commit on; ClickHouse, seconds behind, when PostgreSQL
is known not to answer, and beside it while nothing is heard from it. When neither answers, the read fails closed: no
page is better than the wrong page.
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
from nova_feed.model import CANARY_AUTHOR
from nova_feed.ops import tracing
from nova_feed.store.client import Store

EVERYBODY = 0  # in the answer about posts: it is there, whoever asks
_Asked = tuple[int, tuple[int, ...], tuple[int, ...]]  # viewer, posts, authors
EXISTS, HIDDEN, OUT, FOLLOWED, UNFOLLOWED = range(1, 6)  # the kinds of page_rules.sql
POSTGRES_OPEN_S = 1.0  # so long a rule may be ClickHouse's, seconds behind, after PostgreSQL is back
SILENT_S = 0.35  # asked, PostgreSQL tells nobody anything for so long: ClickHouse is asked, too
IN_LINE_S = 1.0  # for a connection, when many ask at once: ClickHouse would take longer, and be slowed for all
NEWEST = 1000  # of all posts since the list was made, in which those of followees are counted
# Of many pages at once: posts ($1), viewers and authors in pairs ($2, $3), viewers ($4), authors ($5), and the name of
# the canary. OFFSET 0 keeps a look at an index what it is: where two of them meet in an OR, tables are hashed whole.
_SQL = """
SELECT ARRAY(SELECT id FROM posts WHERE id = ANY($1::bigint[])),
    ARRAY(SELECT ARRAY[viewer, post_id] FROM unnest($4::bigint[]) AS viewer, LATERAL (
              SELECT post_id FROM nova_hidden WHERE user_id = viewer AND post_id = ANY($1::bigint[]) OFFSET 0) AS h),
    ARRAY(SELECT n FROM unnest($2::bigint[], $3::bigint[]) WITH ORDINALITY AS pair(viewer, author, n)
          WHERE EXISTS (SELECT FROM blocks WHERE blocker_id = viewer AND blocked_id = author OFFSET 0)
             OR EXISTS (SELECT FROM blocks WHERE blocker_id = author AND blocked_id = viewer OFFSET 0)
             OR EXISTS (SELECT FROM mutes WHERE muter_id = viewer AND muted_id = author OFFSET 0)),
    ARRAY(SELECT n FROM unnest($2::bigint[], $3::bigint[]) WITH ORDINALITY AS pair(viewer, author, n)
          WHERE EXISTS (SELECT FROM follows WHERE follower_id = viewer AND followee_id = author)),
    ARRAY(SELECT id FROM users WHERE id = ANY($5::bigint[]) AND username = $6)
"""
# Of many viewers ($1) and the moments since which they ask ($2): the newest posts are read once for all of them. Whose
# authors a viewer follows is seen by going through the follows: they are fewer than a thousand looks at an index.
_NEWER = """
WITH recent AS MATERIALIZED (
    SELECT author_id, created_at FROM posts
    WHERE created_at > (SELECT to_timestamp(min(ms) / 1000.0) FROM unnest($2::bigint[]) AS ms)
    ORDER BY created_at DESC LIMIT $3
)
SELECT ARRAY(SELECT ARRAY[n, count(*)]
             FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS asked(viewer, since, n)
             JOIN follows ON follower_id = viewer
             JOIN recent ON author_id = followee_id AND recent.created_at > to_timestamp(since / 1000.0)
             GROUP BY n)
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
        self._here: Coalescer[_Asked, PageRules] = Coalescer(
            lambda asked: self.postgres.call(lambda: self._from_postgres(asked)), fresh=True
        )
        self._newer: Coalescer[tuple[int, int], int | None] = Coalescer(self._count_newer, at_once=1, fresh=True)
        # One batch at a time: without PostgreSQL every page of everybody asks, and a query costs as much for many.
        self._elsewhere: Coalescer[_Asked, PageRules] = Coalescer(self._from_clickhouse, at_once=1)
        self._asking: dict[asyncio.Task[PageRules], float] = {}  # and when it began
        self._heard_at = float("-inf")

    async def read(self, viewer_id: int, posts: Sequence[int], authors: Sequence[int]) -> PageRules:
        """The rules about these posts and authors, as of now."""
        asked = (viewer_id, tuple(posts), tuple(authors))
        here = asyncio.create_task(self._here.get(asked))
        self._asking[here] = asyncio.get_running_loop().time()
        here.add_done_callback(self._told)  # it goes on though its page may not wait: the breaker learns how it ends
        while not here.done() and (left := SILENT_S - self._silent_s()) > 0:
            await asyncio.wait({here}, timeout=left)
        if here.done() and here.exception() is None:
            return here.result()
        there = asyncio.create_task(self._elsewhere.get(asked))
        try:
            return await _first_good(here, there)
        finally:
            there.cancel()

    def _told(self, question: asyncio.Task[PageRules]) -> None:
        del self._asking[question]
        if not question.cancelled() and question.exception() is None:
            self._heard_at = asyncio.get_running_loop().time()

    def _silent_s(self) -> float:
        """For how long PostgreSQL was asked, and told nobody anything."""
        now = asyncio.get_running_loop().time()
        return now - max(self._heard_at, min(self._asking.values(), default=now))

    async def _from_postgres(self, asked: Sequence[_Asked]) -> Mapping[_Asked, PageRules]:
        """One question for all pages that wait."""
        pairs = [(viewer_id, author) for viewer_id, _, authors in asked for author in authors]
        viewers, authors = [viewer for viewer, _ in pairs], [author for _, author in pairs]
        row = await self._ask(
            0.25 if self.postgres.doubted else IN_LINE_S, _SQL, {post for _, posts, _ in asked for post in posts},
            viewers, authors, {viewer_id for viewer_id, _, _ in asked}, {*authors}, CANARY_AUTHOR,
        )  # fmt: skip
        existing, canary = frozenset(row[0]), frozenset(row[4])
        hidden = {(viewer_id, post) for viewer_id, post in row[1]}
        out, followed = ({pairs[n - 1] for n in ordinals} for ordinals in (row[2], row[3]))

        def of(viewer_id: int, posts: Sequence[int], authors: Sequence[int]) -> PageRules:
            follows = frozenset(author for author in authors if (viewer_id, author) in followed)
            return PageRules(
                frozenset(post for post in posts if post in existing and (viewer_id, post) not in hidden),
                frozenset(author for author in authors if (viewer_id, author) in out)
                | canary.intersection(authors).difference(follows),
                follows,
            )

        return {page: of(*page) for page in asked}

    async def newer(self, viewer_id: int, since_ms: int) -> int | None:
        """How many posts of followees were made since; None when PostgreSQL does not say, or failed when asked last."""
        return await self._newer.get((viewer_id, since_ms))

    async def _count_newer(self, asked: Sequence[tuple[int, int]]) -> Mapping[tuple[int, int], int | None]:
        """One question for all pages that wait."""
        if self.postgres.doubted:
            return dict.fromkeys(asked)
        viewers, since = [viewer_id for viewer_id, _ in asked], [since_ms for _, since_ms in asked]
        try:
            row = await self._ask(0.1, _NEWER, viewers, since, NEWEST, answer_s=SILENT_S)
        except StoreUnavailableError:
            return dict.fromkeys(asked)
        return dict.fromkeys(asked, 0) | {asked[n - 1]: count for n, count in row[0]}

    async def _ask(self, wait_s: float, sql: str, *values: object, answer_s: float = 0.5) -> asyncpg.Record:
        """One row, after ``wait_s`` for a connection and ``answer_s`` for the row at most.

        Raises StoreUnavailableError; that all connections of the pool are at work says nothing about health.
        """
        connected = False
        try:
            async with self._pool.acquire(timeout=wait_s) as connection:
                connected = True
                with tracing.reading("rules"):
                    [row] = await connection.fetch(sql, *values, timeout=answer_s)
        except POSTGRES_AWAY as error:
            busy = (
                not connected and isinstance(error, TimeoutError) and self._pool.get_size() == self._pool.get_max_size()
            )
            raise StoreUnavailableError("postgres", str(error) or type(error).__name__, answers=busy) from error
        return row

    async def _from_clickhouse(self, asked: Sequence[_Asked]) -> Mapping[_Asked, PageRules]:
        """One query for all pages that wait."""
        rows = await self._store.select(
            "page_rules",
            viewers=sorted({viewer_id for viewer_id, _, _ in asked}),
            posts=sorted({post for _, posts, _ in asked for post in posts}),
            authors=sorted({author for _, _, authors in asked for author in authors}),
        )
        known: dict[tuple[int, int], set[int]] = {}
        columns = (rows[name].tolist() for name in ("kind", "viewer_id", "other_id"))
        for kind, viewer_id, other_id in zip(*columns, strict=True):
            known.setdefault((kind, viewer_id), set()).add(other_id)

        def of(kind: int, viewer_id: int, among: Sequence[int]) -> frozenset[int]:
            return frozenset(known.get((kind, viewer_id), set()).intersection(among))

        return {
            (viewer_id, posts, authors): PageRules(
                of(EXISTS, EVERYBODY, posts) - of(HIDDEN, viewer_id, posts),
                of(OUT, viewer_id, authors) | of(UNFOLLOWED, viewer_id, authors),
                of(FOLLOWED, viewer_id, authors),
                current=False,
            )
            for viewer_id, posts, authors in asked
        }


async def _first_good(*questions: asyncio.Task[PageRules]) -> PageRules:
    """The answer that comes first. Raises StoreUnavailableError, the last question's, when none comes."""
    left = set(questions)
    while left:
        done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
        for question in done:
            if not isinstance(question.exception(), StoreUnavailableError):
                return question.result()
    return questions[-1].result()
