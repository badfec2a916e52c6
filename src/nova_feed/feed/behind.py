"""What a process does behind its answers, for as long as it runs, so that its pages in memory stay known."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import asyncpg
import structlog

from nova_feed.away import POSTGRES_AWAY
from nova_feed.cache.tracking import Tracking
from nova_feed.clock import Clock
from nova_feed.errors import NovaError, StoreUnavailableError
from nova_feed.feed.changes import RULES, Changes
from nova_feed.feed.copies import Copies
from nova_feed.feed.rules import Rules
from nova_feed.feed.service import FeedService

GATHER_S = 0.1  # those told of within it are asked for, and made anew, together
Make = Callable[[int, int], Awaitable[None]]
log = structlog.get_logger(__name__)
# The files of tables and of their partitions: TRUNCATE, and detaching or dropping a partition, remove rows of which
# capture tells nothing; all of them change what is listed here. ($1: names, as those of the rules' queries are found.)
_CLOCK = """
SELECT extract(epoch FROM clock_timestamp())::float8 * 1000, ARRAY(
    SELECT pg_relation_filenode(relation) FROM (
        SELECT to_regclass(name) FROM unnest($1::text[]) AS name
        UNION SELECT relid FROM unnest($1::text[]) AS name, pg_partition_tree(to_regclass(name))) AS those(relation)
    WHERE relation IS NOT NULL ORDER BY relation)
"""


async def keep_known(
    copies: Copies, feed: FeedService, make: Make, pool: asyncpg.Pool, tracking: Tracking, clock: Clock
) -> None:
    """All of it, until cancelled. ``make``: as in ``make_anew``."""
    await asyncio.gather(
        tracking.run(copies.firsts), confirm(copies, feed, clock), make_anew(copies, make),
        reread(copies, feed.rules), watch_postgres(pool, copies.changes, clock),
    )  # fmt: skip


async def confirm(
    copies: Copies, feed: FeedService, clock: Clock, every_s: float = 0.4, most: int = 100, gather_s: float = GATHER_S
) -> None:
    """Ask Valkey of the copies in use before their pages would have to, together they cost a sixth; and of those that
    are told of, at once."""
    full = clock.monotonic()
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(copies.stirred.wait(), every_s)
        copies.stirred.clear()
        due = copies.told_of()
        if clock.monotonic() - full >= every_s:
            full, due = clock.monotonic(), copies.soon_due()
        with suppress(StoreUnavailableError):  # that nobody says so is no reason to forget them before their time
            for start in range(0, len(due), most):
                some, asked = due[start : start + most], clock.monotonic()
                copies.judge(some, await feed.roles([(copy.viewer_id, copy.list_id) for copy in some]), asked)
        await asyncio.sleep(gather_s)


async def make_anew(copies: Copies, make: Make, at_once: int = 16) -> None:
    """Make pages again whose lists were replaced, while the copies stand in. ``make(viewer, limit)`` makes and keeps
    a first page."""
    await asyncio.gather(*(_make_some(copies, make) for _ in range(at_once)))


async def _make_some(copies: Copies, make: Make) -> None:
    while True:
        copy = await copies.replaced.get()
        if not (copies.holds(copy) and copies.stands_in(copy)):
            continue
        try:
            await make(copy.viewer_id, copy.limit)
        except NovaError as error:
            log.warning("copies.not_made_anew", viewer_id=copy.viewer_id, reason=str(error)[:200])
        except Exception:
            log.exception("copies.not_made_anew", viewer_id=copy.viewer_id)
        if copies.holds(copy):  # there is no page to be kept: who comes next has it made for himself
            copies.drop(copy.viewer_id)


async def reread(copies: Copies, rules: Rules, every_s: float = 0.5, most: int = 32) -> None:
    """Read the rules of copies in use anew before their pages would have to wait for it: one question for many."""
    while True:
        await asyncio.sleep(every_s)
        await reread_once(copies, rules, most)


async def reread_once(copies: Copies, rules: Rules, most: int) -> None:
    """One round; it ends where PostgreSQL does not say: pages ask when they have to. Posts that are newer than the
    lists are counted along."""
    counting = copies.uncounted()
    counts = await asyncio.gather(*(rules.newer(copy.viewer_id, copy.as_of_ms) for copy in counting))
    copies.count(counting, counts)
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
