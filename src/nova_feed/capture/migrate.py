"""Numbered SQL files applied to PostgreSQL, each once, each in a transaction, with a record of what ran."""

from __future__ import annotations

import hashlib
from importlib.resources import files

import asyncpg

from nova_feed.capture.connection import connect
from nova_feed.errors import NovaError

_RECORD = """
CREATE TABLE IF NOT EXISTS nova_migrations (
    number integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())
"""
_LOCK = "SELECT pg_advisory_lock(hashtext('nova_migrations'))"
_UNLOCK = "SELECT pg_advisory_unlock(hashtext('nova_migrations'))"


class MigrationError(NovaError):
    """A migration was edited after it had run, or failed."""


def migrations() -> list[tuple[int, str, str]]:
    """(number, file name, SQL), in order."""
    folder = files("nova_feed.capture") / "sql"
    found = ((int(f.name[:4]), f.name, f.read_text()) for f in folder.iterdir() if f.name.endswith(".sql"))
    return sorted(found)


async def migrate(url: str, *, dry_run: bool = False) -> list[str]:
    """Apply what has not run yet; return the names of the files applied (with ``dry_run``: that would be).

    Raises MigrationError, StoreUnavailableError; a migration that fails leaves nothing of itself behind.
    """
    connection = await connect(url, name="nova migrate")
    try:
        await connection.execute(_LOCK)
        return await _migrate(connection, dry_run=dry_run)
    finally:
        await connection.execute(_UNLOCK)
        await connection.close()


async def _migrate(connection: asyncpg.Connection, *, dry_run: bool) -> list[str]:
    if not dry_run:
        await connection.execute(_RECORD)
    exists = await connection.fetchval("SELECT to_regclass('nova_migrations') IS NOT NULL")
    rows = await connection.fetch("SELECT number, sha256 FROM nova_migrations") if exists else []
    done = {row["number"]: row["sha256"] for row in rows}
    pending = []
    for number, name, sql in migrations():
        digest = hashlib.sha256(sql.encode()).hexdigest()
        if number not in done:
            pending.append((number, name, sql, digest))
        elif done[number] != digest:
            raise MigrationError(f"{name} was changed after it ran on this database: write a new migration instead")
    for number, name, sql, digest in [] if dry_run else pending:
        await _apply(connection, number, name, sql, digest)
    return [name for _, name, _, _ in pending]


async def _apply(connection: asyncpg.Connection, number: int, name: str, sql: str, digest: str) -> None:
    try:
        async with connection.transaction():
            await connection.execute(sql)
            await connection.execute(
                "INSERT INTO nova_migrations (number, name, sha256) VALUES ($1, $2, $3)", number, name, digest
            )
    except asyncpg.PostgresError as error:
        raise MigrationError(f"{name} failed and was rolled back: {error}") from error
