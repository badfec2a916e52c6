"""One connection to PostgreSQL, for a command: no pool, and a clear sentence when there is nobody."""

from __future__ import annotations

import asyncpg

from nova_feed.errors import StoreUnavailableError


async def connect(url: str, *, name: str) -> asyncpg.Connection:
    """Connect within 10 s; ``name`` is what pg_stat_activity shows. Raises StoreUnavailableError."""
    try:
        return await asyncpg.connect(url, timeout=10, server_settings={"application_name": name})
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
        raise StoreUnavailableError("postgres", str(error) or "no answer within 10 s") from error
