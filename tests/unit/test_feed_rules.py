"""Whether a row of a frozen list may still be shown."""

from __future__ import annotations

import asyncio
from itertools import product
from typing import Any

import asyncpg
import numpy as np
import pytest

from nova_feed.feed.rules import EVERYBODY, PageRules, Rules
from nova_feed.feed.sources import BLOCKED, FOLLOWS
from nova_feed.store.client import Store
from nova_feed.store.native import Columns
from tests.unit.test_clock import VirtualClock


@pytest.mark.parametrize(("exists", "hidden", "follows", "followed"), list(product([True, False], repeat=4)))
def test_a_post_is_shown_if_it_exists_and_its_author_is_neither_hidden_nor_unfollowed(
    *, exists: bool, hidden: bool, follows: bool, followed: bool
) -> None:
    rules = PageRules(
        existing=frozenset({1} if exists else ()),
        hidden_authors=frozenset({2} if hidden else ()),
        followed=frozenset({2} if follows else ()),
    )
    unfollowed = followed and not follows
    assert rules.allows(1, 2, was_followed=followed) == (exists and not hidden and not unfollowed)


class NoPool(asyncpg.Pool):
    """Of a PostgreSQL that refuses connections."""

    def __init__(self) -> None: ...

    def acquire(self, *, timeout: float | None = None) -> Any:
        raise ConnectionRefusedError


class ClickHouse(Store):
    """Knows that viewer 1 blocked 10 and follows 20, viewer 2 follows 10; of posts 1 to 5, viewer 2 has hidden 4."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def select(self, query: str, **parameters: Any) -> Columns:
        self.asked.append((query, parameters))
        if query == "pairs":
            rows = [(1, 10, BLOCKED), (1, 20, FOLLOWS), (2, 10, FOLLOWS)]
            names = ("viewer_id", "author_id", "relation")
            rows = [row for row in rows if row[0] in parameters["viewers"]]
        else:
            known = [(EVERYBODY, post, 0) for post in range(1, 6)] + [(2, 4, 0)]
            names = ("viewer_id", "post_id", "nothing")
            rows = [
                row for row in known if row[1] in parameters["posts"] and row[0] in {EVERYBODY, *parameters["viewers"]}
            ]
        columns = np.array(rows, dtype=np.int64).reshape(-1, 3).T
        return Columns(zip(names, columns, strict=True))


async def test_without_postgresql_pages_that_come_together_share_two_queries_and_each_gets_its_own_rules() -> None:
    store = ClickHouse()
    rules = Rules(NoPool(), store, VirtualClock())
    first = asyncio.create_task(rules.read(1, [1, 9], [10]))
    second = asyncio.create_task(rules.read(2, [1, 2], [10]))
    others = [asyncio.create_task(rules.read(viewer, [3, 4, 5], [10, 20])) for viewer in (1, 2, 2, 1, 1)]
    alone = PageRules(frozenset({1}), frozenset({10}), frozenset({20}), current=False)
    assert (await first, (await second).existing) == (alone, frozenset({1, 2}))
    found = await asyncio.gather(*others)
    assert [page.existing for page in found] == [
        {3, 4, 5} - ({4} if viewer == 2 else set()) for viewer in (1, 2, 2, 1, 1)
    ]
    assert [page.followed for page in found] == [{20} if viewer == 1 else {10} for viewer in (1, 2, 2, 1, 1)]
    assert [name for name, _ in store.asked].count("standing") == 3
    assert not any(page.current for page in found)
