"""Writes a sample network into PostgreSQL, as one transaction: all of it or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from nova_feed.errors import NovaError
from nova_feed.local.sample.network import Network, Table

Connection = asyncpg.Connection | PoolConnectionProxy
Progress = Callable[[int, int, str], None]
TABLES = ("users", "posts", "follows", "comments", "likes", "blocks", "mutes")
_WITH_IDS = ("users", "posts", "comments", "likes")


class LoadRefusedError(NovaError):
    """The database is not an empty app: a table is missing or holds rows. Nothing was written."""


async def load(connection: Connection, network: Network, progress: Progress) -> None:
    """COPY every table in the order of the foreign keys, set the identity sequences, then ANALYZE.

    ``progress(done, total, what)`` is called after every chunk with rows written so far, of all tables, and the table's
    name. Other writers wait until it is over. Raises LoadRefusedError unless all seven tables are there and empty.
    """
    async with connection.transaction():
        await _require_empty(connection)
        done = 0
        for table in await asyncio.to_thread(network.tables):
            done = await _copy(connection, table, done, network.size.rows, progress)
        for name in _WITH_IDS:
            await connection.execute(
                f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), coalesce(max(id), 1), count(*) > 0) FROM {name}"  # noqa: S608
            )
    await connection.execute(f"ANALYZE {', '.join(TABLES)}")


async def _require_empty(connection: Connection) -> None:
    missing = [name for name in TABLES if await connection.fetchval("SELECT to_regclass($1) IS NULL", name)]
    if missing:
        raise LoadRefusedError(f"the app's tables are not there yet (missing: {', '.join(missing)}): migrate first")
    # Locked against writers before the look, so that two loads at once cannot both find them empty.
    await connection.execute(f"LOCK TABLE {', '.join(TABLES)} IN SHARE ROW EXCLUSIVE MODE")
    taken = [name for name in TABLES if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {name})")]  # noqa: S608
    if taken:
        raise LoadRefusedError(
            f"a sample network is loaded into empty tables only, and these hold rows: {', '.join(taken)}"
        )


async def _copy(connection: Connection, table: Table, done: int, total: int, progress: Progress) -> int:
    # Rows are made in a thread: it may take seconds, and others share this loop.
    while (chunk := await asyncio.to_thread(next, table.chunks, None)) is not None:
        await connection.copy_records_to_table(table.name, records=chunk, columns=table.columns, timeout=600)
        done += len(chunk)
        progress(done, total, table.name)
    return done
