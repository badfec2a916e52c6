"""``nova audit``: it passes while the app goes on around it, and it finds what is wrong with a list that was spoilt."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace

import asyncpg
import numpy as np
import pytest

from nova_feed.cache.lists import ListCache
from nova_feed.clock import SystemClock
from nova_feed.feed.frozen import FrozenList, decode, encode
from nova_feed.ranking import Candidates, Source
from tests.app import REGULARS, App
from tests.reader import Json, ReaderOf
from tests.stack import LocalStack

pytestmark = pytest.mark.e2e
VIEWERS = 40
SPOILT = 19  # whom the storm leaves alone


async def audit(stack: LocalStack, *options: str) -> tuple[int, Json]:
    """Exit code and report of ``nova audit``, run beside this test."""
    done: subprocess.CompletedProcess[str] = await asyncio.to_thread(
        stack.nova, "audit", "--viewers", str(VIEWERS), *options
    )
    assert done.stdout, done.stderr
    report: Json = json.loads(done.stdout)
    return done.returncode, report


class Storm:
    """The app and its users, in a hurry: posts, deletions, blocks, mutes, unfollows, and posts hidden."""

    def __init__(self, app: App, postgres: asyncpg.Connection, reader: ReaderOf) -> None:
        self._app, self._sql, self._reader = app, postgres, reader
        self._dice, self.deeds = random.Random(5), 0

    async def rage(self) -> None:
        """Until cancelled."""
        kinds = [self._post, self._delete, self._block, self._mute, self._unfollow, self._hide]
        while True:
            await self._dice.choice(kinds)(self._dice.randint(20, VIEWERS))
            self.deeds += 1
            await asyncio.sleep(0.005)

    async def _post(self, viewer: int) -> None:
        await self._app.post(self._dice.choice(await self._app.followees(viewer)))

    async def _delete(self, viewer: int) -> None:
        await self._app.delete(await self._one("SELECT id FROM posts WHERE author_id = $1 ORDER BY id DESC", viewer))

    async def _block(self, viewer: int) -> None:
        pair = [viewer, await self._author(viewer)]
        self._dice.shuffle(pair)
        await self._sql.execute(
            "INSERT INTO blocks (blocker_id, blocked_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", *pair
        )

    async def _mute(self, viewer: int) -> None:
        author = await self._author(viewer)
        await self._sql.execute(
            "INSERT INTO mutes (muter_id, muted_id) VALUES ($1, $2) ON CONFLICT DO NOTHING", viewer, author
        )

    async def _unfollow(self, viewer: int) -> None:
        await self._app.unfollow(viewer, await self._author(viewer))

    async def _hide(self, viewer: int) -> None:
        post = await self._one("SELECT id FROM posts WHERE author_id = $1 ORDER BY id DESC", viewer)
        await self._reader(viewer).send({"post_id": post, "action": "hide"})

    async def _author(self, viewer: int) -> int:
        """A followee of the viewer, of those that may be parted from; somebody else when none is left."""
        rest = [author for author in await self._app.followees(viewer) if author > REGULARS]
        if rest:
            return self._dice.choice(rest)
        some = REGULARS + self._dice.randrange(500)
        found: int = await self._sql.fetchval("SELECT min(id) FROM users WHERE id > $1", some)
        return found

    async def _one(self, sql: str, viewer: int) -> int:
        found: int | None = await self._sql.fetchval(sql + " LIMIT 1", await self._author(viewer))
        return found or 1


@pytest.fixture
async def storm(app: App, postgres: asyncpg.Connection, reader: ReaderOf) -> AsyncIterator[Storm]:
    """Rages while the test runs."""
    raging = Storm(app, postgres, reader)
    task = asyncio.create_task(raging.rage())
    yield raging
    assert not task.done(), task.exception()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("algo", ["ch", "timeline"])
async def test_no_law_is_broken_while_people_post_delete_block_and_hide(
    stack: LocalStack, storm: Storm, algo: str
) -> None:
    code, report = await audit(stack, "--algo", algo, "--limit", "20")
    assert (code, report["lawful"], report["examples"], report["errors"]) == (0, True, [], {})
    assert report["viewers"] == VIEWERS
    # A timeline of one page is kept under no known name; on a busy machine one may stand in for a ranked list.
    assert report["unread_lists"] <= (3 if algo == "ch" else 10)
    assert report["posts"] > 10 * VIEWERS
    assert report["pages"] >= report["posts"] / 20
    assert report["removed"] > 0
    assert storm.deeds > 50


@pytest.fixture
async def spoilt(stack: LocalStack, app: App, reader: ReaderOf) -> AsyncIterator[FrozenList]:
    """A viewer's list in the cache with a post of their own, a post twice on a page, and one again pages later."""
    lists = ListCache.connect(stack.facts["redis_url"])
    own = await app.post(SPOILT)
    await lists.forget([SPOILT])
    await reader(SPOILT).page()  # ranked for this answer: nothing is ranked behind it
    frozen = decode(await lists.first(SPOILT) or b"")
    rows = Candidates(frozen.candidates.table.copy())
    post, author = rows.post_id, rows.author_id
    post[3], author[3] = own, SPOILT
    for row, other in ((10, 9), (60, 2)):
        post[row], author[row] = post[other], author[other]
    rows.sources[:] = Source.TRENDING  # nothing else is wrong with these rows
    later = SystemClock().now_ms() + 3_600_000  # never too old to answer
    frozen = replace(frozen, candidates=rows, as_of_ms=later, followed=np.zeros(len(frozen), dtype=np.bool_))
    await lists.put(SPOILT, frozen.list_id, encode(frozen), first=True)
    yield frozen
    await lists.forget([SPOILT])
    await lists.close()


async def test_a_spoilt_list_is_found_and_named(stack: LocalStack, spoilt: FrozenList) -> None:
    code, report = await audit(stack)
    assert (code, report["lawful"]) == (1, False)
    assert (report["forbidden_shown"], report["forbidden"]) == (1, {"own": 1})
    assert (report["repeats"], report["dedup_violations"], report["skips"]) == (1, 1, 0)
    assert all(line.startswith(f"viewer {SPOILT}, post ") for line in report["examples"])
    assert report["errors"] == {}
