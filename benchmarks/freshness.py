"""From INSERT to visible: ``python benchmarks/freshness.py [--posts 60] [--home .nova]``.

Posts are inserted by an author whom a viewer follows and likes, one after the other, at random moments.
Each is looked for in ClickHouse's table and in the viewer's feed, every few milliseconds.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import time
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from harness import facts, new_home, nova, percentiles, report
from nova_feed.errors import NovaError
from nova_feed.store.client import Store

POLL_S = 0.02
DEADLINE_S = 30.0


async def measure(read: dict[str, Any], posts: int) -> dict[str, list[float]]:
    """Seconds from the commit of the INSERT, per post: visible in ClickHouse, visible in the ranked feed."""
    pause = random.Random(1)
    connection = await asyncpg.connect(read["postgres_url"])
    author = await connection.fetchval(
        "SELECT followee_id FROM follows WHERE follower_id = $1 LIMIT 1", read["user_id"]
    )
    store = Store(read["clickhouse_url"], name="nova freshness")
    seen: dict[str, list[float]] = {"clickhouse": [], "feed": []}
    headers = {"Authorization": f"Bearer {read['token']}"}
    async with httpx.AsyncClient(base_url=read["api_url"], headers=headers, timeout=5) as api:
        # An author whose new posts rank high with this viewer: the first page is where a user looks.
        top = (await api.get("/api/v1/feed", params={"limit": 20})).raise_for_status().json()["posts"]
        author = next(row["author_id"] for row in top if "followee" in row["sources"])
        for _ in range(posts):
            post = await connection.fetchval(
                "INSERT INTO posts (author_id, body) VALUES ($1, 'new') RETURNING id", author
            )
            start = time.monotonic()
            times = await asyncio.gather(_in_clickhouse(store, post, start), _in_feed(api, post, start))
            for name, seconds in zip(seen, times, strict=True):
                seen[name].append(seconds)
            await asyncio.sleep(pause.uniform(0, 0.5))
    await store.close()
    await connection.close()
    return seen


async def _in_clickhouse(store: Store, post: int, start: float) -> float:
    while time.monotonic() - start < DEADLINE_S:
        rows = await store.sql("SELECT count() AS n FROM posts WHERE id = {post:Int64}", post=post)
        if rows["n"][0]:
            return time.monotonic() - start
        await asyncio.sleep(POLL_S)
    raise NovaError(f"post {post} is not in ClickHouse after {DEADLINE_S} s")


async def _in_feed(api: httpx.AsyncClient, post: int, start: float) -> float:
    while time.monotonic() - start < DEADLINE_S:
        page = (await api.get("/api/v1/feed", params={"limit": 100})).raise_for_status().json()
        if any(row["post_id"] == post for row in page["posts"]):
            return time.monotonic() - start
        await asyncio.sleep(POLL_S)
    raise NovaError(f"post {post} is not among the first 100 of the feed after {DEADLINE_S} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--posts", type=int, default=60)
    parser.add_argument("--home", type=Path, help="a running stack; without it one is started and removed")
    options = parser.parse_args()
    if options.home:
        seen = asyncio.run(measure(facts(options.home), options.posts))
    else:
        with new_home() as home:
            nova("up", "--demo", "--detach", "--home", str(home))
            seen = asyncio.run(measure(facts(home), options.posts))
    table = {name: percentiles(seconds) for name, seconds in seen.items()}
    print(f"{options.posts} posts, looked for every {POLL_S * 1000:.0f} ms")
    for name, row in table.items():
        print(
            f"INSERT -> visible in {name:10}  "
            + "  ".join(f"{key[:-3].upper()} {value:7.1f} ms" for key, value in row.items())
        )
    report("freshness", {"posts": options.posts, "poll_ms": POLL_S * 1000, **table})


if __name__ == "__main__":
    main()
