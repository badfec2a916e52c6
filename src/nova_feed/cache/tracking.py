"""Valkey tells which viewers' first lists changed: written, removed, expired, evicted, by whomever.

This is the server's client tracking in its broadcasting mode, by the older protocol with one connection that is
redirected to itself (https://valkey.io/topics/client-side-caching/): a message names each key with a prefix that
changed, and PING is answered in between. Messages of a turn of the server's loop are sent at its end, so the answer
to a PING may overtake a message of the same turn, and says only that all was told that came before the PING before.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from typing import Any, Protocol

import redis.asyncio as redis
import structlog
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from nova_feed.cache.keys import FEED

PING_S, SILENT_S, AGAIN_S = 0.25, 2.0, 1.0
CHANNEL = "__redis__:invalidate"
_PREFIX = FEED.of("")
log = structlog.get_logger(__name__)


class Told(Protocol):
    """Who is told. ``began``: from now on all is; ``heard``: what was written until then (monotonic) has been."""

    def began(self) -> None: ...
    def changed(self, viewers: Iterable[int]) -> None: ...
    def all_changed(self) -> None: ...
    def heard(self, until: float) -> None: ...


class Tracking:
    """One connection, made anew whenever it is lost."""

    def __init__(self, url: str) -> None:
        self._pool = redis.ConnectionPool.from_url(
            url, protocol=2, socket_timeout=SILENT_S, socket_connect_timeout=SILENT_S, client_name="nova-tracking",
        )  # fmt: skip

    async def run(self, told: Told) -> None:
        """Tell until cancelled. While the server is away, or does not track, nothing is told: ``heard`` stays away."""
        why = ""
        while True:
            try:
                await self._listen(told)
            except (RedisError, OSError, TimeoutError) as error:
                if why != (why := str(error) or type(error).__name__):
                    log.warning("tracking.lost", reason=why)
            await asyncio.sleep(AGAIN_S)

    async def _listen(self, told: Told) -> None:
        connection: AbstractConnection = self._pool.make_connection()  # type: ignore[no-untyped-call]
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            me = await _ask(connection, "CLIENT", "ID")
            await _ask(connection, "CLIENT", "TRACKING", "ON", "REDIRECT", me, "BCAST", "PREFIX", _PREFIX)
            await _ask(connection, "SUBSCRIBE", CHANNEL)
            told.began()
            log.info("tracking.began")
            await _follow(connection, told)
        finally:
            await connection.disconnect(nowait=True)


async def _follow(connection: AbstractConnection, told: Told) -> None:
    """Raises redis' TimeoutError when a PING is not answered."""
    before, asked, answered = float("-inf"), float("-inf"), True
    while True:
        now = time.monotonic()
        if answered and now - asked >= PING_S:
            before, asked, answered = asked, now, False
            await connection.send_command("PING", check_health=False)
        elif not answered and now - asked >= SILENT_S:
            raise RedisTimeoutError("a PING was not answered")
        left_s = asked + (PING_S if answered else SILENT_S) - now
        message = await connection.read_response(timeout=left_s, disconnect_on_error=False)
        if message is None:  # in that time
            continue
        if message[0] == b"pong":
            answered = True
            told.heard(before)
        elif message[2] is None:
            told.all_changed()
        else:
            told.changed(viewers_of(message[2]))


def viewers_of(keys: Iterable[bytes]) -> list[int]:
    """The viewers whose keys these are; what is no viewer's is passed by."""
    ids = (key.decode("ascii", "replace").removeprefix(_PREFIX) for key in keys)
    return [int(text) for text in ids if text.isascii() and text.isdigit()]


async def _ask(connection: AbstractConnection, *words: Any) -> Any:
    await connection.send_command(*words, check_health=False)
    return await connection.read_response()
