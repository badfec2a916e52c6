"""Questions to Valkey: what goes wrong becomes one error of ours."""

from __future__ import annotations

from collections.abc import Awaitable

from redis.exceptions import OutOfMemoryError, RedisError

from nova_feed.errors import StoreUnavailableError


async def asked(answer: Awaitable[object]) -> object:
    """The answer. Raises StoreUnavailableError."""
    try:
        return await answer
    except OutOfMemoryError as error:  # nothing new is kept; what is kept can be read
        raise StoreUnavailableError("valkey", "it is full", answers=True) from error
    except (RedisError, OSError, TimeoutError) as error:
        raise StoreUnavailableError("valkey", str(error) or type(error).__name__) from error
