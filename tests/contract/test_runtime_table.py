"""The table of versions in a real PostgreSQL, and in what unit tests take for it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import asyncpg
import pytest

from nova_feed.errors import StoreUnavailableError
from nova_feed.runtime import Live, Runtime
from nova_feed.runtime.change import Changes
from nova_feed.runtime.table import RuntimeTable
from tests.runtimes import TableInMemory

pytestmark = pytest.mark.contract
DOCUMENT = Runtime(enable_caching=False).document
WRITERS = 20


@pytest.fixture(params=["postgres", "memory"])
async def table(request: pytest.FixtureRequest, postgres_dsn: str) -> AsyncIterator[RuntimeTable]:
    if request.param == "memory":
        yield TableInMemory()
        return
    async with asyncpg.create_pool(postgres_dsn, min_size=0, max_size=8) as pool:
        yield RuntimeTable(pool)


async def test_versions_are_counted_from_one_and_come_back_as_they_went_in(table: RuntimeTable) -> None:
    assert (await table.newest(), await table.get(1), await table.last_by("user 7")) == (None, None, None)
    first = await table.append(0, DOCUMENT, "user 7", "why")
    second = await table.append(1, Runtime().document, "file")
    assert first is not None
    assert second is not None
    assert (first.version, first.made_by, first.note, json.loads(first.document)) == (1, "user 7", "why", DOCUMENT)
    assert [row.version for row in await table.history(9)] == [2, 1]
    assert await table.history(1) == [second]
    assert (await table.newest(), await table.get(1), await table.last_by("user 7")) == (second, first, first)
    assert abs(first.made_ms - second.made_ms) < 60_000


async def test_nothing_is_added_after_a_version_that_is_not_the_newest(table: RuntimeTable) -> None:
    await table.append(0, DOCUMENT, "user 7")
    for after in (0, 2, 99):
        assert await table.append(after, DOCUMENT, "user 8") is None
    assert len(await table.history(9)) == 1


async def test_of_many_who_add_at_once_one_does(table: RuntimeTable) -> None:
    rows = await asyncio.gather(*(table.append(0, DOCUMENT, f"user {n}") for n in range(WRITERS)))
    assert sum(row is not None for row in rows) == 1
    assert len(await table.history(99)) == 1


async def test_changes_from_many_sides_go_on_top_of_each_other_and_none_is_lost(table: RuntimeTable) -> None:
    changes = [Changes(table, Live(Runtime())) for _ in range(3)]
    names = list(Runtime().flags)
    await asyncio.gather(
        *(change.flags({name: False}, "user 7", "") for change, name in zip(changes, names, strict=True))
    )
    assert (await changes[0].newest()).flags == dict.fromkeys(names, False)


async def test_what_was_written_once_can_neither_be_changed_nor_taken_away(postgres_dsn: str) -> None:
    async with asyncpg.create_pool(postgres_dsn, min_size=0, max_size=2) as pool:
        await RuntimeTable(pool).append(0, DOCUMENT, "user 7")
        for statement in ("UPDATE nova_runtime SET made_by = 'x'", "DELETE FROM nova_runtime", "TRUNCATE nova_runtime"):
            with pytest.raises(asyncpg.PostgresError, match="only ever added to"):
                await pool.execute(statement)
        assert len(await RuntimeTable(pool).history(9)) == 1


async def test_a_table_that_cannot_be_reached_or_is_not_there_is_a_store_that_is_away(empty_database: str) -> None:
    for url in ("postgresql://nobody@127.0.0.1:1/nowhere", empty_database):
        async with asyncpg.create_pool(url, min_size=0, max_size=1) as pool:
            with pytest.raises(StoreUnavailableError, match="postgres"):
                await RuntimeTable(pool).newest()


@pytest.fixture
async def empty_database(postgres_dsn: str) -> str:
    """A database that no migration was applied to."""
    return f"{postgres_dsn.rpartition('/')[0]}/postgres"
