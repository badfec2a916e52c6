"""Who follows, blocks or mutes whom has changed: no list stays that was ranked without knowing it."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator

import pytest

from nova_feed.cache.lists import ListCache
from nova_feed.store.client import Store
from nova_feed.stream.consumer import Received
from nova_feed.workers.relations import Relations
from tests.stack import LocalStack
from tests.waiting import eventually

pytestmark = pytest.mark.integration
SOON_S = 15


@pytest.fixture
async def lists(stack: LocalStack) -> AsyncIterator[ListCache]:
    cache = ListCache.connect(stack.facts["redis_url"])
    yield cache
    await cache.close()


@pytest.fixture
def relations(clickhouse: Store, lists: ListCache) -> Relations:
    return Relations(clickhouse, lists)


async def cached(lists: ListCache, viewer: int) -> None:
    """A list that answers this viewer's first pages."""
    await lists.put(viewer, uuid.uuid4().hex[:8], b"ranked before", first=True)


async def forgotten(lists: ListCache, viewer: int) -> None:
    async def is_gone() -> bool:
        return await lists.first(viewer) is None

    await eventually(is_gone, SOON_S)


async def test_a_list_ranked_before_clickhouse_had_the_row_is_forgotten_after_it_has(
    relations: Relations, lists: ListCache, clickhouse: Store
) -> None:
    viewer, offset = uuid.uuid4().int % 10**9 + 8 * 10**18, 12_345
    await cached(lists, viewer)
    handling = asyncio.create_task(relations.handle([_follow(viewer, 1, offset)]))
    await forgotten(lists, viewer)
    await cached(lists, viewer)
    assert not handling.done()
    client = await clickhouse.client()
    row = f"({viewer}, 1, now64(3), 1, {{version}})"  # deleted: nobody follows, but the version is there
    await client.command(f"INSERT INTO follows VALUES {row.format(version=offset - 1)}")
    await asyncio.wait({handling}, timeout=0.5)
    assert not handling.done()
    assert await lists.first(viewer)
    await client.command(f"INSERT INTO follows VALUES {row.format(version=offset)}")
    await asyncio.wait_for(handling, SOON_S)
    assert await lists.first(viewer) is None


def _follow(follower: int, followee: int, offset: int) -> Received:
    row = {"follower_id": follower, "followee_id": followee, "__deleted": "false"}
    return Received("cdc.follows", 0, offset, json.dumps(row).encode())
