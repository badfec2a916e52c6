"""Databases of a test's own."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator

import asyncpg
import pytest

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
