"""What a process does behind its answers, for as long as it runs, so that its pages in memory stay known."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import asyncpg

from nova_feed.away import POSTGRES_AWAY
from nova_feed.cache.tracking import Tracking
from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.changes import RULES, Changes
from nova_feed.feed.copies import Copies
from nova_feed.feed.rules import Rules
from nova_feed.feed.service import FeedService

# The files of tables and of their partitions: TRUNCATE, and detaching or dropping a partition, remove rows of which
# capture tells nothing; all of them change what is listed here. ($1: names, as those of the rules' queries are found.)
_CLOCK = """
SELECT extract(epoch FROM clock_timestamp())::float8 * 1000, ARRAY(
    SELECT pg_relation_filenode(relation) FROM (
        SELECT to_regclass(name) FROM unnest($1::text[]) AS name
        UNION SELECT relid FROM unnest($1::text[]) AS name, pg_partition_tree(to_regclass(name))) AS those(relation)
    WHERE relation IS NOT NULL ORDER BY relation)
"""


async def keep_known(copies: Copies, feed: FeedService, pool: asyncpg.Pool, tracking: Tracking, clock: Clock) -> None:
    """All of it, until cancelled."""
    await asyncio.gather(
        tracking.run(copies.firsts), confirm(copies, feed, clock), reread(copies, feed.rules),
        watch_postgres(pool, copies.changes, clock),
    )  # fmt: skip


async def confirm(copies: Copies, feed: FeedService, clock: Clock, every_s: float = 0.4, most: int = 100) -> None:
    """Ask Valkey of the copies in use before their pages would have to: together they cost a sixth."""
    while True:
        await asyncio.sleep(every_s)
        due = copies.soon_due()
        with suppress(StoreUnavailableError):  # that nobody says so is no reason to forget them before their time
            for start in range(0, len(due), most):
                some, asked = due[start : start + most], clock.monotonic()
                still = await feed.still_first([(copy.viewer_id, copy.list_id) for copy in some])
                copies.confirm(some, still, asked)


async def reread(copies: Copies, rules: Rules, every_s: float = 0.5, most: int = 32) -> None:
    """Read the rules of copies in use anew before their pages would have to wait for it: one question for many."""
    while True:
        await asyncio.sleep(every_s)
        await reread_once(copies, rules, most)


async def reread_once(copies: Copies, rules: Rules, most: int) -> None:
    """One round; it ends where PostgreSQL does not say: pages ask when they have to."""
    old = copies.soon_distrusted()
    for start in range(0, len(old), most):
        if not any(await asyncio.gather(*(copies.reread(copy, rules) for copy in old[start : start + most]))):
            return


async def watch_postgres(pool: asyncpg.Pool, changes: Changes, clock: Clock, every_s: float = 2) -> None:
    """Keep ``changes`` told of PostgreSQL's clock, by which heartbeats are dated, and of the files of the tables."""
    while True:
        with suppress(*POSTGRES_AWAY):
            asked = clock.monotonic()
            [(now_ms, files)] = await pool.fetch(_CLOCK, RULES, timeout=1)
            changes.clock_read(now_ms, asked)
            changes.files_read(files)
        await asyncio.sleep(every_s)
