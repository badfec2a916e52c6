"""deploy/postgres/roles.sql on a real PostgreSQL: each role can do its work, and nothing else."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from nova_feed.capture.connector import PUBLICATION
from nova_feed.clock import SystemClock
from nova_feed.feed import engagement, hints
from nova_feed.feed.inspect import PostFacts
from nova_feed.feed.people import People
from nova_feed.feed.rules import Rules
from nova_feed.feed.timeline import Timeline
from nova_feed.ingest.accept import Acceptor
from nova_feed.store.client import Store
from nova_feed.workers import ledger
from nova_feed.workers.housekeeping import drop_past_days
from nova_feed.workers.levels import pending
from tests.integration.test_accept import items, named

pytestmark = pytest.mark.integration
SQL = (Path(__file__).parents[2] / "deploy" / "postgres" / "roles.sql").read_text()
ROLES = ("nova_worker", "nova_api", "nova_cdc", "nova_reads", "nova_owner")
DENIED = (asyncpg.InsufficientPrivilegeError, asyncpg.ReadOnlySQLTransactionError)
As = Callable[[str], str]


@pytest.fixture
async def as_role(postgres_dsn: str) -> AsyncIterator[As]:
    """role -> the URL with which it signs in, to a database that has one user and one post."""
    admin = await asyncpg.connect(postgres_dsn)
    await admin.execute("INSERT INTO users (id, username) VALUES (7, 'ada'), (9, 'bob')")
    await admin.execute("INSERT INTO posts (id, author_id, body) VALUES (5, 9, 'a text')")
    for _ in range(2):  # an upgrade runs it again
        await admin.execute(SQL)
    passwords = {role: secrets.token_hex(16) for role in ROLES}
    for role, password in passwords.items():
        await admin.execute(f"ALTER ROLE {role} PASSWORD '{password}'")
    at = urlsplit(postgres_dsn)
    yield lambda role: urlunsplit(at._replace(netloc=f"{role}:{passwords[role]}@{at.hostname}:{at.port}"))
    await admin.execute(f"REASSIGN OWNED BY {', '.join(ROLES)} TO CURRENT_USER")
    await admin.execute(f"DROP OWNED BY {', '.join(ROLES)}")
    await admin.execute(f"DROP ROLE {', '.join(ROLES)}")
    await admin.close()


@asynccontextmanager
async def pool_of(url: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(url, min_size=0, max_size=2) as pool:
        yield pool


async def is_denied(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            with pytest.raises(asyncpg.PostgresError) as refused:
                await connection.execute(statement)
            assert isinstance(refused.value, DENIED), (statement, refused.value)
    finally:
        await connection.close()


# What no role of a process may do.
NEVER = (
    "SELECT * FROM pg_authid", "COPY users TO PROGRAM 'cat'", "COPY users TO '/tmp/x'",
    "SELECT pg_read_file('PG_VERSION')",
    "CREATE ROLE mallory", "ALTER ROLE nova_api SUPERUSER", "UPDATE users SET username = 'x'", "DELETE FROM users",
    "TRUNCATE posts", "DROP TABLE posts", "ALTER TABLE posts ADD COLUMN x int", "INSERT INTO blocks VALUES (7, 9)",
    "DROP PUBLICATION nova_pub", "ALTER SYSTEM SET wal_level = minimal",
)  # fmt: skip


@pytest.mark.parametrize("role", ["nova_api", "nova_worker", "nova_cdc", "nova_reads"])
async def test_no_role_reads_passwords_or_files_or_changes_the_app_s_data(as_role: As, role: str) -> None:
    await is_denied(as_role(role), *NEVER)


async def test_the_owner_of_novas_tables_cannot_sign_in(as_role: As) -> None:
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await asyncpg.connect(as_role("nova_owner"))


async def test_the_api_s_role_accepts_events_and_reads_all_that_pages_need(as_role: As) -> None:
    async with pool_of(as_role("nova_api")) as pool:
        acceptor, store = Acceptor(pool), Store("http://127.0.0.1:9/nova")
        known, unknown = await acceptor.authors([item for item, _ in items(*named("a"))])
        assert ([author for _, author in known], unknown) == ([9], [])
        accepted, fates = await acceptor.accept(items(*named("a", "b"), {"action": "hide", "event_id": "c"}))
        assert accepted is not None
        assert fates == ["accepted"] * 3
        assert (await acceptor.accept(items(*named("a"))))[1] == ["duplicate"]
        assert (await acceptor.accept(items(*named("a", action="click"))))[1] == ["conflict"]
        await pool.execute("UPDATE nova_events_outbox SET acked = true WHERE base = $1", accepted.base)
        await pool.execute("SELECT nova_ensure_event_days()")
        rules = Rules(pool, store, SystemClock())
        assert not (await rules.read(7, [5], [9])).allows(5, 9, was_followed=False), "it was hidden"
        assert await rules.newer(7, 0) == 0
        assert (await Timeline(pool).propose(7)).candidates.post_id.tolist() == [5]
        assert await PostFacts(pool).read(7, 5) is not None
        assert await People(pool, store).read(7, [9]) is not None
        await engagement.from_postgres(pool, 3600)
        await hints.from_postgres(pool, 7)


async def test_the_api_s_role_reads_no_text_and_writes_nothing_but_events(as_role: As) -> None:
    await is_denied(
        as_role("nova_api"),
        "SELECT body FROM posts", "SELECT * FROM posts", "SELECT bio FROM users", "SELECT body FROM comments",
        "INSERT INTO posts (author_id) VALUES (7)", "INSERT INTO nova_events_minutes VALUES (now(), 1, 1, 1)",
        "DELETE FROM nova_events_outbox", "DELETE FROM nova_events_seen", "UPDATE nova_events_outbox SET body = ''",
        "DELETE FROM nova_hidden", "DROP TABLE nova_events_seen", "CREATE TABLE mine (x int)",
        "CREATE FUNCTION nova_events() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "UPDATE nova_heartbeat SET beat_at = now()",
        "SELECT pg_create_physical_replication_slot('mine')",
    )  # fmt: skip


async def test_the_worker_s_role_settles_the_outbox_and_makes_and_drops_partitions(
    as_role: As, postgres_dsn: str
) -> None:
    async with pool_of(as_role("nova_worker")) as pool:
        await Acceptor(pool).accept(items(*named("a")))
        assert (await pending(pool, 2**50))[0] == 1
        [row] = await ledger.open_rows(pool, 2**50, 10)
        await pool.execute("DELETE FROM nova_events_outbox WHERE base = $1", row.base)
        await pool.execute("INSERT INTO nova_events_minutes VALUES (now(), 1, 1, 1)")
        await pool.execute("DELETE FROM nova_events_minutes WHERE minute < now() + interval '1 hour'")
        await pool.execute("SELECT nova_ensure_event_days()")
        past = (datetime.now(UTC) - timedelta(days=9)).date()
        name, until = f"nova_events_seen_{past:%Y%m%d}", past + timedelta(days=1)
        bounds = f"FOR VALUES FROM ('{past}') TO ('{until}')"
        await pool.execute(f"CREATE TABLE {name} PARTITION OF nova_events_seen {bounds}")
        assert await drop_past_days(pool) == [name]
    await is_denied(
        as_role("nova_worker"), "SELECT body FROM posts", "INSERT INTO posts (author_id) VALUES (7)",
        "DROP TABLE nova_heartbeat", "ALTER TABLE nova_hidden ADD COLUMN x int", "DELETE FROM posts",
    )  # fmt: skip


async def test_partitions_that_the_api_made_belong_to_the_owner(as_role: As, postgres_dsn: str) -> None:
    admin = await asyncpg.connect(postgres_dsn)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).strftime("%Y%m%d")
    await admin.execute(f"DROP TABLE nova_events_seen_{tomorrow}")
    async with pool_of(as_role("nova_api")) as pool:
        await pool.execute("SELECT nova_ensure_event_days()")
    owners = await admin.fetch("SELECT DISTINCT tableowner FROM pg_tables WHERE tablename LIKE 'nova\\_events\\_%'")
    await admin.close()
    assert [row[0] for row in owners] == ["nova_owner"]


async def test_debezium_s_role_replicates_the_publication_beats_the_heart_and_sees_no_event(
    as_role: As, postgres_dsn: str
) -> None:
    slot = f"roles_{secrets.token_hex(4)}"
    connection = await asyncpg.connect(as_role("nova_cdc"))
    try:
        await connection.execute("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", slot)
        admin = await asyncpg.connect(postgres_dsn)
        await admin.execute("INSERT INTO follows (follower_id, followee_id) VALUES (7, 9)")
        await admin.close()
        changes = await connection.fetchval(
            "SELECT count(*) FROM pg_logical_slot_get_binary_changes("
            "$1, NULL, NULL, 'proto_version', '1', 'publication_names', $2)", slot, PUBLICATION,
        )  # fmt: skip
        assert changes >= 3, "begin, insert, commit"
        for table in ("users", "posts", "follows", "comments", "likes", "blocks", "mutes", "nova_heartbeat"):
            await connection.fetch(f"SELECT * FROM {table}")
        await connection.execute("UPDATE nova_heartbeat SET beat_at = clock_timestamp() WHERE id = 1")
    finally:
        await connection.execute("SELECT pg_drop_replication_slot($1)", slot)
        await connection.close()
    await is_denied(
        as_role("nova_cdc"), "SELECT * FROM nova_events_seen", "SELECT * FROM nova_events_outbox",
        "SELECT * FROM nova_hidden",
        "INSERT INTO posts (author_id) VALUES (7)", "DELETE FROM nova_heartbeat", "SELECT nova_ensure_event_days()",
        "SELECT nextval('nova_event_base')", "CREATE PUBLICATION mine FOR TABLE users", "CREATE TABLE mine (x int)",
    )  # fmt: skip


async def test_whoever_only_reads_cannot_write_even_when_asking_for_it(as_role: As) -> None:
    connection = await asyncpg.connect(as_role("nova_reads"))
    try:
        assert await connection.fetchval("SELECT body FROM posts") == "a text"
        assert await connection.fetchval("SELECT count(*) FROM nova_events_seen") == 0
        await connection.execute("SET default_transaction_read_only = off")
        for statement in ("DELETE FROM nova_hidden", "INSERT INTO users (username) VALUES ('x')", "TRUNCATE mutes"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()
