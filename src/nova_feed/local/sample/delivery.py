"""Carrying out what was planned: one statement per change, as an app would, and one request per batch of events.

A server that is away is waited for, with growing pauses; an answer that will not get better is counted and let go.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg
import httpx

from nova_feed.errors import NovaError
from nova_feed.local.sample.planner import Change, ClientEvent, Deed
from nova_feed.local.sample.tally import Statistics

_DB_TIMEOUT_S = 5.0
_HTTP_TIMEOUT_S = 10.0
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0

# $1 is who, $2 the target or a new post's body, $3 a comment's body. Each returns a row when it changed something.
_SQL = {
    Change.POST: "INSERT INTO posts (author_id, body) VALUES ($1, $2) RETURNING id",
    Change.DELETE: "DELETE FROM posts WHERE id = $2 AND author_id = $1 RETURNING id",
    Change.LIKE: """INSERT INTO likes (post_id, user_id) SELECT id, $1::bigint FROM posts WHERE id = $2
        ON CONFLICT DO NOTHING RETURNING id""",
    Change.UNLIKE: "DELETE FROM likes WHERE post_id = $2 AND user_id = $1 RETURNING id",
    Change.COMMENT: """INSERT INTO comments (post_id, user_id, body) SELECT id, $1::bigint, $3::text FROM posts
        WHERE id = $2 RETURNING id""",
    Change.FOLLOW: "INSERT INTO follows (follower_id, followee_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1",
    Change.UNFOLLOW: "DELETE FROM follows WHERE follower_id = $1 AND followee_id = $2 RETURNING 1",
    Change.BLOCK: """WITH parted AS (
        DELETE FROM follows WHERE (follower_id, followee_id) IN (($1::bigint, $2::bigint), ($2, $1)))
        INSERT INTO blocks (blocker_id, blocked_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1""",
}
_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that was cut in the middle of a message
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.TransactionRollbackError,
    httpx.RequestError,
)

T = TypeVar("T")


class BusyError(NovaError):
    """The event API asks to come back later (429 or 5xx)."""


async def persist(attempt: Callable[[], Awaitable[T]], what: str, errors: Counter[str]) -> T:
    """Await ``attempt`` until a server is there to answer; every failure is counted under ``what``.

    Pauses grow from 0.1 s to 5 s. Ends only with an answer, with a failure that is not a server being away, or when
    cancelled.
    """
    pause = _FIRST_PAUSE_S
    while True:
        try:
            return await attempt()
        except (*_AWAY, BusyError) as error:
            errors[f"{what}: {type(error).__name__}"] += 1
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)


class AppWriter:
    """Writes deeds to PostgreSQL."""

    def __init__(self, pool: asyncpg.Pool, posted: Callable[[int, int], None], statistics: Statistics) -> None:
        """``posted(post, author)`` is told of every new post."""
        self._pool, self._posted, self._statistics = pool, posted, statistics

    async def carry_out(self, deed: Deed) -> None:
        """Write it once PostgreSQL is there; a refused statement is counted. Raises nothing but cancellation."""
        try:
            found = await persist(lambda: self._execute(deed), deed.change, self._statistics.errors)
        except asyncpg.PostgresError as error:
            self._statistics.errors[f"{deed.change}: {type(error).__name__}"] += 1
            return
        counts = self._statistics.without_effect if found is None else self._statistics.changes
        counts[deed.change.value] += 1
        if deed.change is Change.POST and found is not None:
            self._posted(found, deed.user)

    async def _execute(self, deed: Deed) -> int | None:
        sql = _SQL[deed.change]
        async with self._pool.acquire(timeout=_DB_TIMEOUT_S) as connection:
            found: int | None = await connection.fetchval(sql, *_arguments(deed), timeout=_DB_TIMEOUT_S)
            return found


def _arguments(deed: Deed) -> tuple[int | str, ...]:
    if deed.change is Change.POST:
        return deed.user, deed.body
    if deed.change is Change.COMMENT:
        return deed.user, deed.target, deed.body
    return deed.user, deed.target


class EventSender:
    """Sends batches of client events to the API."""

    def __init__(self, http: httpx.AsyncClient, url: str, token: Callable[[], str], statistics: Statistics) -> None:
        self._http, self._url, self._token, self._statistics = http, url, token, statistics

    async def carry_out(self, batch: list[ClientEvent]) -> None:
        """Send up to 100 events, the same ones again when the API is away. Raises nothing but cancellation."""
        response = await persist(lambda: self._post(batch), "events", self._statistics.errors)
        if response.is_success:
            self._statistics.events.update(str(event["action"]) for event in batch)
            self._statistics.answers.update(_answers(response))
        else:
            self._statistics.errors[f"events: HTTP {response.status_code}"] += 1

    async def _post(self, batch: list[ClientEvent]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._token()}"}
        response = await self._http.post(self._url, json={"events": batch}, headers=headers, timeout=_HTTP_TIMEOUT_S)
        self._statistics.statuses[response.status_code] += 1
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS or response.is_server_error:
            raise BusyError(f"the event API answered {response.status_code}")
        return response


def _answers(response: httpx.Response) -> dict[str, int]:
    try:
        body = response.json()
    except ValueError:
        return {"unreadable": 1}
    if not isinstance(body, dict):
        return {"unreadable": 1}
    return {key: body[key] for key in ("accepted", "deduped", "invalid") if isinstance(body.get(key), int)}
