"""Everything by which a server that is away shows itself through its client."""

import asyncpg

# InternalClientError and RuntimeError: a connection that was cut in the middle of a protocol message, and a closed
# transport (uvloop), as seen when a server is killed under load.
POSTGRES_AWAY: tuple[type[Exception], ...] = (
    asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError, RuntimeError,
)  # fmt: skip
