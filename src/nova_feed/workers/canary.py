"""Behaves as a user would, and measures how long it takes: a post, an event, and the feed that shows both.

The canary users follow nobody else and are followed by nobody else, and an impression lifts no post: nothing proposes
them to anybody. What lists the newest of everybody leaves them out, and so do the rules of every page. It is the
author's impression: what the viewer has seen would not be shown to him again.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg
import httpx
import structlog

from nova_feed.away import POSTGRES_AWAY
from nova_feed.cache.lists import ListCache
from nova_feed.clock import Clock
from nova_feed.errors import NovaError, StoreUnavailableError
from nova_feed.feed.frozen import decode
from nova_feed.ingest.validate import named_key
from nova_feed.model import CANARY_AUTHOR, CANARY_VIEWER
from nova_feed.ops import metrics
from nova_feed.store.client import Store

log = structlog.get_logger(__name__)
# On a loaded machine, where all of it takes seconds, a look every 50 ms at every stage took a seventh of a processor
# from what was waited for. So a stage is looked at when the one before is reached, and less often the longer it takes.
POLL_S, POLL_SHARE, DEADLINE_S = 0.05, 0.1, 30.0
_AWAY: tuple[type[Exception], ...] = (StoreUnavailableError, httpx.HTTPError, *POSTGRES_AWAY)
_PERSON = """
WITH made AS (INSERT INTO users (username) VALUES ($1) ON CONFLICT (username) DO NOTHING RETURNING id)
SELECT id FROM made UNION ALL SELECT id FROM users WHERE username = $1 LIMIT 1
"""
_NAMES = (CANARY_AUTHOR, CANARY_VIEWER)
_SOMEBODY = "SELECT EXISTS (SELECT FROM users WHERE username <> ALL($1::text[]))"
_STORED = """
SELECT count() AS n FROM recent_events
WHERE minute >= now() - INTERVAL 5 MINUTE AND post_id = {post:Int64} AND share = 0
"""
_FOLLOW = "INSERT INTO follows (follower_id, followee_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_POST = "INSERT INTO posts (author_id, body) VALUES ($1, 'canary') RETURNING id"
_FORGET = "DELETE FROM posts WHERE author_id = $1 AND id < $2"
_ACKED = """
SELECT coalesce((SELECT acked FROM nova_events_outbox WHERE base = seq / 128 * 128), true)
FROM nova_events_seen WHERE seq > 0 AND key = $1
"""


class CanaryError(NovaError):
    """A round did not come to an end. ``stage`` is the first one that was not reached."""

    def __init__(self, stage: str, reason: str) -> None:
        super().__init__(f"the canary did not reach {stage}: {reason}")
        self.stage = stage


@dataclass(slots=True)
class Canary:
    """``http`` asks the API, ``token(user)`` signs a user in; between two looks it sleeps by ``sleep``."""

    pool: asyncpg.Pool
    store: Store
    lists: ListCache
    http: httpx.AsyncClient
    token: Callable[[int], str]
    clock: Clock
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    async def run(self, every_s: float) -> None:
        """A round every ``every_s`` until cancelled.

        An app without users is left empty, so that a sample network can be loaded into it.
        """
        while not await self._somebody():  # noqa: ASYNC110  what is waited for lies in another process
            await asyncio.sleep(every_s)
        while True:
            try:
                stages = await self.round()
            except CanaryError as error:
                metrics.CANARY_FAILURES.labels(error.stage).inc()
                log.warning("canary.failed", stage=error.stage, reason=str(error))
            else:
                for stage, seconds in stages.items():
                    metrics.VISIBLE_SECONDS.labels(stage).observe(seconds)
                    metrics.CANARY_LAST.labels(stage).set(round(seconds, 4))
                metrics.CANARY_AT.set(self.clock.now_ms() / 1000)
            await asyncio.sleep(every_s)

    async def round(self) -> Mapping[str, float]:
        """One post and one event: seconds by stage, ``post`` from the INSERT, the others from the POST.

        Raises CanaryError.
        """
        try:
            author, viewer = await self._people()
            start = self.clock.monotonic()
            post = await self.pool.fetchval(_POST, author)
            await self.pool.execute(_FORGET, author, post)
        except POSTGRES_AWAY as error:
            raise CanaryError("post", f"PostgreSQL: {error}") from error
        stages = {"post": await self._until("post", start, lambda: self._feed(viewer, post, 0))}
        return stages | await self._event(author, viewer, post)

    async def _event(self, author: int, viewer: int, post: int) -> dict[str, float]:
        name = f"canary-{uuid.uuid4()}"
        start = self.clock.monotonic()
        body = {"events": [{"event_id": name, "post_id": post, "action": "impression"}]}
        await self._accepted(author, body, start + DEADLINE_S)
        accept = self.clock.monotonic() - start
        seconds = {"accept": accept}
        for checks in (
            {"broker": lambda: self._acked(author, name), "clickhouse": lambda: self._stored(post)},
            {"counters": lambda: self._counted(post)},
            {"cache": lambda: self._cached(viewer, post), "feed": lambda: self._feed(viewer, post, 1)},
        ):
            seconds |= await self._together(start, checks)
        return seconds

    async def _accepted(self, author: int, body: Mapping[str, object], until: float) -> None:
        """Send events, again when the API says so."""
        while True:
            try:
                answer = await self.http.post("/api/v1/events", json=body, headers=self._signed_in(author))
            except httpx.HTTPError as error:
                raise CanaryError("accept", str(error) or type(error).__name__) from error
            if answer.status_code == httpx.codes.ACCEPTED:
                return
            again_s = float(answer.headers.get("Retry-After", "inf"))
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or self.clock.monotonic() + again_s > until:
                raise CanaryError("accept", f"the API answered {answer.status_code}")
            await self.sleep(again_s)

    async def _together(self, start: float, checks: Mapping[str, Callable[[], Awaitable[bool]]]) -> dict[str, float]:
        """When each of these stages was reached, none of which waits for another."""
        waiting = [asyncio.ensure_future(self._until(stage, start, check)) for stage, check in checks.items()]
        try:
            return dict(zip(checks, await asyncio.gather(*waiting), strict=True))
        finally:
            for task in waiting:
                task.cancel()

    async def _until(self, stage: str, start: float, check: Callable[[], Awaitable[bool]]) -> float:
        reason = "not there in time"
        while self.clock.monotonic() - start < DEADLINE_S:
            try:
                if await check():
                    return self.clock.monotonic() - start
            except _AWAY as error:
                reason = str(error) or type(error).__name__
            await self.sleep(max(POLL_S, POLL_SHARE * (self.clock.monotonic() - start)))
        raise CanaryError(stage, reason)

    async def _somebody(self) -> bool:
        try:
            return bool(await self.pool.fetchval(_SOMEBODY, list(_NAMES)))
        except POSTGRES_AWAY as error:
            log.warning("canary.waiting", store="postgres", reason=str(error))
            return False

    async def _people(self) -> tuple[int, int]:
        author, viewer = [await self.pool.fetchval(_PERSON, name) for name in _NAMES]
        await self.pool.execute(_FOLLOW, viewer, author)
        return author, viewer

    def _signed_in(self, user: int) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(user)}"}

    async def _acked(self, sender: int, name: str) -> bool:
        return bool(await self.pool.fetchval(_ACKED, named_key(sender, name)))

    async def _stored(self, post: int) -> bool:
        rows = await self.store.sql(_STORED, post=post)
        return bool(rows["n"][0])

    async def _counted(self, post: int) -> bool:
        rows = await self.store.sql("SELECT exposures FROM hot_posts WHERE post_id = {post:Int64}", post=post)
        return bool((rows["exposures"] > 0).any())

    async def _cached(self, viewer: int, post: int) -> bool:
        body = await self.lists.first(viewer)
        rows = decode(body).candidates if body else None
        return rows is not None and bool(((rows.post_id == post) & (rows.exposures > 0)).any())

    async def _feed(self, viewer: int, post: int, exposures: int) -> bool:
        """Whether the ranked feed shows the post so. It may stand on any page: what trends can be ahead of it."""
        cursor: str | None = ""
        while cursor is not None:
            query = {"limit": "100"} | ({"cursor": cursor} if cursor else {})
            answer = await self.http.get("/api/v1/feed", params=query, headers=self._signed_in(viewer))
            page: dict[str, Any] = answer.raise_for_status().json()
            shown = [row["exposures"] for row in page["posts"] if row["post_id"] == post]
            if shown or page["fallback"]:
                return not page["fallback"] and shown[0] >= exposures
            cursor = page["cursor"]
        return False
