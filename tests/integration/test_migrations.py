"""Schemas are brought up to date once, by files that never change after they ran."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest
from clickhouse_connect.driver.asyncclient import AsyncClient

from nova_feed.capture import migrate as postgres_schema
from nova_feed.store import migrate as clickhouse_schema
from nova_feed.store.client import Store
from tests.stack import LocalStack

pytestmark = pytest.mark.integration
# No broker: a second reader in the consumer groups of the running stack would take partitions from it.
NOWHERE = {"KAFKA_BROKERS": "127.0.0.1:1", "KAFKA_CONSUMERS": "1"}


@pytest.fixture
async def scratch(stack: LocalStack) -> AsyncIterator[AsyncClient]:
    """An empty ClickHouse database."""
    name = f"test_{uuid.uuid4().hex[:12]}"
    store = Store(f"{stack.facts['clickhouse_url'].rpartition('/')[0]}/{name}", name="nova tests", timeout_s=30)
    client = await store.client()
    yield client
    await client.command(f"DROP DATABASE {name}")
    await store.close()


def test_a_stack_that_runs_has_nothing_to_migrate(stack: LocalStack) -> None:
    for options in ((), ("--dry-run",)):
        done = stack.nova("migrate", *options)
        assert done.returncode == 0, done.stderr
        assert all(line.endswith(": nothing to do") for line in done.stdout.splitlines()), done.stdout


async def test_every_table_that_is_written_in_small_parts_merges_all_of_them_at_once(scratch: AsyncClient) -> None:
    await clickhouse_schema.migrate(scratch, NOWHERE)
    found = await scratch.query(
        "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree' "
        "AND name NOT LIKE '.inner%' AND create_table_query NOT LIKE '%remove_small_parts_at_right = 0%'"
    )
    # Written once a day, once a migration, and when something is wrong.
    assert {row[0] for row in found.result_rows} == {"daily_metrics", "nova_migrations", "bad_rows", "bad_rows_sent"}


async def test_postgresql_is_migrated_once(postgres_dsn: str) -> None:
    assert await postgres_schema.migrate(postgres_dsn) == []


async def test_a_dry_run_names_what_postgresql_lacks_and_changes_nothing(empty_postgres: str) -> None:
    files = [name for _, name, _ in postgres_schema.migrations()]
    for _ in range(2):
        assert await postgres_schema.migrate(empty_postgres, dry_run=True) == files
    connection = await asyncpg.connect(empty_postgres, timeout=10)
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    await connection.close()


async def test_an_edited_migration_of_postgresql_is_refused_by_name(postgres_dsn: str) -> None:
    connection = await asyncpg.connect(postgres_dsn, timeout=10)
    await connection.execute("UPDATE nova_migrations SET sha256 = 'edited' WHERE number = 2")
    await connection.close()
    with pytest.raises(postgres_schema.MigrationError, match=r"0002_publication\.sql was changed"):
        await postgres_schema.migrate(postgres_dsn)


async def test_clickhouse_is_migrated_once_and_a_dry_run_before_it_changes_nothing(scratch: AsyncClient) -> None:
    files = [migration.name for migration in clickhouse_schema.migrations()]
    assert await clickhouse_schema.migrate(scratch, NOWHERE, dry_run=True) == files
    assert (await scratch.query("SHOW TABLES")).result_rows == []
    assert await clickhouse_schema.migrate(scratch, NOWHERE) == files
    assert await clickhouse_schema.migrate(scratch, NOWHERE) == []


async def test_an_edited_migration_of_clickhouse_is_refused_by_name(scratch: AsyncClient) -> None:
    await scratch.command("CREATE TABLE nova_migrations (number UInt32, sha256 String) ENGINE = Memory")
    await scratch.command("INSERT INTO nova_migrations VALUES (2, 'edited')")
    with pytest.raises(clickhouse_schema.StoreMigrationError, match=r"0002_events\.sql was changed"):
        await clickhouse_schema.migrate(scratch, NOWHERE, dry_run=True)
