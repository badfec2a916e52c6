"""Numbered SQL files applied to ClickHouse, each statement idempotent, with a record of what ran."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from clickhouse_connect.driver.exceptions import ClickHouseError

from nova_feed.errors import NovaError

if TYPE_CHECKING:
    from clickhouse_connect.driver.asyncclient import AsyncClient

_RECORD = """
CREATE TABLE IF NOT EXISTS nova_migrations
(number UInt32, name String, sha256 String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))
ENGINE = MergeTree ORDER BY number
"""
_DANGEROUS = re.compile(r"^\s*(DROP|TRUNCATE|DETACH|RENAME|ALTER\s+TABLE\s+\S+\s+(DROP|DELETE))\b", re.IGNORECASE)


class StoreMigrationError(NovaError):
    """A migration is dangerous, was edited after it had run, or failed."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file. ``sha256`` is of the file, before variables are filled in."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def statements(self, variables: Mapping[str, str]) -> list[str]:
        """Its statements, ``${NAME}`` filled in. Raises StoreMigrationError for a statement that loses data."""
        text = re.sub(r"\$\{(\w+)\}", lambda match: variables[match[1]], self.sql)
        found = [part.strip() for part in re.split(r";\s*$", text, flags=re.MULTILINE) if part.strip()]
        for statement in found:
            if _DANGEROUS.match(re.sub(r"^\s*--.*$", "", statement, flags=re.MULTILINE).strip()):
                raise StoreMigrationError(f"{self.name} has a statement that loses data: {statement[:60]!r}")
        return found


def migrations() -> list[Migration]:
    """The schema's files, in order."""
    folder = files("nova_feed.store") / "sql" / "schema"
    found = (Migration(int(f.name[:4]), f.name, f.read_text()) for f in folder.iterdir() if f.name.endswith(".sql"))
    return sorted(found, key=lambda migration: migration.number)


async def migrate(client: AsyncClient, variables: Mapping[str, str], *, dry_run: bool = False) -> list[str]:
    """Apply what has not run yet; return their names (``dry_run``: apply none). Raises StoreMigrationError."""
    done: dict[int, str] = {}
    if dry_run:
        exists = await client.query(
            "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = 'nova_migrations'"
        )
    else:
        await client.command(_RECORD)
    if not dry_run or exists.result_rows[0][0]:
        done = {
            row[0]: row[1] for row in (await client.query("SELECT number, sha256 FROM nova_migrations")).result_rows
        }
    pending = [migration for migration in migrations() if migration.number not in done]
    for migration in migrations():
        if done.get(migration.number, migration.sha256) != migration.sha256:
            raise StoreMigrationError(f"{migration.name} was changed after it ran here: write a new migration instead")
    for migration in [] if dry_run else pending:
        await _apply(client, migration, variables)
    return [migration.name for migration in pending]


async def _apply(client: AsyncClient, migration: Migration, variables: Mapping[str, str]) -> None:
    try:
        for statement in migration.statements(variables):
            await client.command(statement)
    except ClickHouseError as error:
        raise StoreMigrationError(
            f"{migration.name} failed (run it again, its statements are idempotent): {error}"
        ) from error
    row = [migration.number, migration.name, migration.sha256]
    await client.insert("nova_migrations", [row], column_names=["number", "name", "sha256"])
