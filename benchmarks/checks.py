"""Are the answers right? A sample of viewers reads two pages each, and every page is judged from outside."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import httpx

from nova_feed.ranking import Saturation
from nova_feed.ranking.audit import lawful
from viewers import Viewers

FEED = "/api/v1/feed"
_FOLLOWS = "SELECT followee_id FROM follows WHERE follower_id = $1"
_GONE = """
SELECT blocked_id FROM blocks WHERE blocker_id = $1 UNION SELECT blocker_id FROM blocks WHERE blocked_id = $1
UNION SELECT muted_id FROM mutes WHERE muter_id = $1
"""


async def wrong(read: dict[str, Any], viewers: Viewers, count: int = 20) -> list[str]:
    """What is wrong with the pages of the first ``count`` viewers; empty when nothing is."""
    found: list[str] = []
    async with (
        httpx.AsyncClient(base_url=read["api_url"], timeout=10) as api,
        asyncpg.create_pool(read["postgres_url"], min_size=1, max_size=2) as pool,
    ):
        for i in range(min(count, len(viewers))):
            other = viewers.tokens[(i + 1) % len(viewers)]
            found += [
                f"viewer {viewers.ids[i]}: {fault}"
                for fault in await _faults(api, pool, viewers.ids[i], viewers.tokens[i], other)
            ]
            await asyncio.sleep(0)
    return found


async def _faults(api: httpx.AsyncClient, pool: asyncpg.Pool, viewer: int, token: str, other: str) -> list[str]:
    first = await _get(api, token)
    if first.status_code != 200:
        return [f"answered {first.status_code}"]
    page = first.json()
    if not page["posts"]:
        return ["an empty feed"]
    pages, found = [page], []
    if page["cursor"]:
        second = await _get(api, token, page["cursor"])
        stolen = await _get(api, other, page["cursor"])
        if second.status_code != 200:
            found.append(f"the second page answered {second.status_code}")
        else:
            pages.append(second.json())
        if stolen.status_code != 400:
            found.append(f"another viewer's token got {stolen.status_code} for this cursor")
    posts = [post for each in pages for post in each["posts"]]
    follows = {row[0] for row in await pool.fetch(_FOLLOWS, viewer)}
    gone = {row[0] for row in await pool.fetch(_GONE, viewer)}
    return found + judge(viewer, posts, follows, gone)


def judge(viewer: int, posts: Sequence[dict[str, Any]], follows: set[int], gone: set[int]) -> list[str]:
    """What is wrong with the posts of consecutive pages, given whom the viewer follows and must not see."""
    found = []
    authors = [post["author_id"] for post in posts]
    if [post["position"] for post in posts] != list(range(len(posts))):
        found.append("positions are not 0, 1, 2 ...")
    if len({post["post_id"] for post in posts}) < len(posts):
        found.append("a post stands twice")
    if any("followee" in post["sources"] and post["author_id"] not in follows for post in posts):
        found.append("a followee's post by somebody whom this viewer does not follow")
    if viewer in authors or gone & set(authors):
        found.append("a post that this viewer must not see")
    if not lawful(authors, Saturation()):
        found.append("the author rule is broken")
    return found


async def _get(api: httpx.AsyncClient, token: str, cursor: str | None = None) -> httpx.Response:
    parameters = {"cursor": cursor} if cursor else {}
    return await api.get(FEED, params=parameters, headers={"Authorization": f"Bearer {token}"})
