"""What each caller has spent of a rate limit, shared by all processes: one number a caller, by Valkey's own clock."""

from __future__ import annotations

from typing import cast

import redis.asyncio as redis

from nova_feed.cache.keys import LIMIT
from nova_feed.cache.valkey import asked

MOST_WINDOWS = 1.5  # debts above it are forgiven; a clock that went back locks nobody out for more than half a window
# The value is the moment at which everything spent is earned back (microseconds by Valkey's clock). Spending is never
# refused here: it has happened already, and who spent judges by the answer, which is the backlog.
_SPEND = """
local now = redis.call('TIME')
now = now[1] * 1000000 + now[2]
local most = now + ARGV[2]
local free = tonumber(redis.call('GET', KEYS[1]) or now)
free = math.min(math.max(free, now) + ARGV[1], most)
local backlog = math.floor(free - now)
if backlog > 0 then redis.call('SET', KEYS[1], string.format('%.0f', free), 'PX', math.ceil(backlog / 1000)) end
return backlog
"""


class Backlogs:
    """Every method raises StoreUnavailableError when Valkey does not answer."""

    def __init__(self, client: redis.Redis) -> None:
        self._spend = client.register_script(_SPEND)

    async def spend(self, name: str, caller: str, seconds: float, window_s: float) -> float:
        """Add what a caller spent under the limit ``name``; returns the whole backlog. Both are seconds.

        It is never more than 1.5 times ``window_s``.
        """
        arguments = [round(seconds * 1e6), round(window_s * MOST_WINDOWS * 1e6)]
        backlog = cast("int", await asked(self._spend(keys=[LIMIT.of(name, caller)], args=arguments)))
        return backlog / 1e6
