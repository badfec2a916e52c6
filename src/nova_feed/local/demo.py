"""The sample network on its way through the stack: loaded, captured, counted, ranked, served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib.resources import files
from typing import Any

import httpx

from nova_feed.cache.lists import ListCache
from nova_feed.capture.connection import connect
from nova_feed.clock import Clock
from nova_feed.errors import NovaError
from nova_feed.local.sample.load import load
from nova_feed.local.sample.network import Network
from nova_feed.local.sample.sizes import size_named
from nova_feed.store.client import Store

SEED = 7
VIEWER = 1
# Each is made of what arrived, and of those before it.
VIEWS = ("past_counts", "recent_counts", "affinity", "author_posts", "hot_posts", "popular_people", "readers")
ALL_HOURS, HOT_HOURS = 90 * 24, 72
_IMPRESSIONS = files("nova_feed.local.sample") / "impressions.sql"
Progress = Callable[[int, int, str], None]


async def load_sample(postgres_url: str, size: str, clock: Clock, progress: Progress) -> bool:
    """Load the network into an empty database; returns False when there are people in it already."""
    connection = await connect(postgres_url, name="nova demo")
    try:
        if await connection.fetchval("SELECT EXISTS (SELECT FROM users)"):
            return False
        await load(connection, Network(size_named(size), seed=SEED, now_ms=clock.now_ms()), progress)
        hours = ALL_HOURS if size == "small" else HOT_HOURS
        await connection.execute(_IMPRESSIONS.read_text(), hours, timeout=600)
    finally:
        await connection.close()
    return True


_ROWS = """
SELECT sum(n) AS n FROM (
    SELECT count() AS n FROM posts UNION ALL SELECT count() AS n FROM likes UNION ALL SELECT count() AS n FROM events
)
"""
_DISTINCT = """
SELECT sum(n) AS n FROM (
    SELECT count() AS n FROM posts FINAL UNION ALL SELECT count() AS n FROM likes FINAL
    UNION ALL SELECT uniqExact(seq) AS n FROM events
)
"""


async def wait_captured(postgres_url: str, store: Store, progress: Progress, deadline_s: float = 900) -> None:
    """Wait until ClickHouse has the posts, likes and events that PostgreSQL has. Raises NovaError past the deadline."""
    connection = await connect(postgres_url, name="nova demo")
    try:
        wanted = await connection.fetchval(
            "SELECT (SELECT count(*) FROM posts) + (SELECT count(*) FROM likes)"
            " + (SELECT count(*) FROM nova_events_seen WHERE seq > 0)"
        )
    finally:
        await connection.close()
    loop = asyncio.get_running_loop()
    until = loop.time() + deadline_s
    while True:
        there = int((await store.sql(_ROWS))["n"][0])
        if there >= wanted:  # a row may be there twice: only now is it worth to look closely
            there = int((await store.sql(_DISTINCT))["n"][0])
        progress(min(there, wanted), wanted, "rows in ClickHouse")
        if there >= wanted:
            break
        if loop.time() > until:
            raise NovaError(
                f"ClickHouse has {there} of {wanted} rows after {deadline_s:.0f} s: look at `nova cdc status`"
            )
        await asyncio.sleep(0.2)


async def forget_lists(lists: ListCache, store: Store) -> None:
    """Have everybody's list ranked anew: the worker's first round ranks them while capture is on its way, of as much of
    the network as has arrived. Raises StoreUnavailableError."""
    await lists.forget((await store.sql("SELECT id FROM users FINAL"))["id"].tolist())


async def first_feed(api_url: str, token: str, deadline_s: float = 60) -> dict[str, Any]:
    """Ask until the demo's viewer gets a ranked feed with posts in it. Raises NovaError past the deadline."""
    loop = asyncio.get_running_loop()
    until = loop.time() + deadline_s
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=api_url, headers=headers, timeout=5) as client:
        while True:
            try:
                answer = await client.get("/api/v1/feed", params={"limit": 20})
                body: dict[str, Any] = answer.json()
                if answer.status_code == 200 and body["posts"] and body["source"] != "timeline":
                    return body
                reason = body.get("detail") or body.get("reason") or "the feed is empty"
            except (httpx.HTTPError, ValueError) as error:
                reason = str(error)
            if loop.time() > until:
                raise NovaError(f"no ranked feed after {deadline_s:.0f} s: {reason}")
            await asyncio.sleep(0.1)
