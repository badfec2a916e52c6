"""Databases of a test's own, and a ClickHouse that is not there."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest

from nova_feed.local.ports import free_port
from nova_feed.store.client import Store
from tests.stack import LocalStack


@pytest.fixture
async def empty_postgres(stack: LocalStack) -> AsyncIterator[str]:
    """The URL of an empty database in the stack's PostgreSQL, not migrated."""
    name = f"empty_{uuid.uuid4().hex[:12]}"
    url: str = stack.facts["postgres_url"]
    admin = await asyncpg.connect(url, timeout=10)
    await admin.execute(f"CREATE DATABASE {name}")
    yield f"{url.rpartition('/')[0]}/{name}"
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """Two connections, which the server itself gives all the time there is."""
    pool = await asyncpg.create_pool(postgres_dsn, min_size=0, max_size=2, timeout=2)
    yield pool
    await pool.close()


@pytest.fixture
async def nowhere() -> AsyncIterator[Store]:
    """A ClickHouse that is not there."""
    store = Store(f"http://127.0.0.1:{free_port()}/nova")
    yield store
    await store.close()
