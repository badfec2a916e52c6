"""Whether a row of a frozen list may still be shown."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import product
from typing import Any

import asyncpg
import numpy as np
import pytest

from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.rules import (
    EVERYBODY,
    EXISTS,
    FOLLOWED,
    HIDDEN,
    OUT,
    SILENT_S,
    UNFOLLOWED,
    PageRules,
    Rules,
)
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


class Connection:
    """Tells which posts there were when it was asked for, and nothing else."""

    def __init__(self, existing: list[int]) -> None:
        self._existing = existing

    async def fetch(self, query: str, *values: Any, timeout: float | None = None) -> Any:  # noqa: ASYNC109
        return [(self._existing, [], [], [], [])]


class Pool(asyncpg.Pool):
    """Of a PostgreSQL that answers every question after ``seconds``: it knows post 1 alone. None: it refuses."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds, self.asked, self.existing = seconds, 0, [1]

    def acquire(self, *, timeout: float | None = None) -> Any:
        return self._connection()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        self.asked += 1
        if self.seconds is None:
            raise ConnectionRefusedError
        connection = Connection(self.existing)
        await asyncio.sleep(self.seconds)
        yield connection

    def get_size(self) -> int:
        return 1

    def get_max_size(self) -> int:
        return 10


class ClickHouse(Store):
    """Knows that viewer 1 blocked 10, follows 20 and has unfollowed 30, viewer 2 follows 10; of posts 1 to 5, viewer 2
    has hidden 4. Answers after ``seconds``; None: it is away."""

    def __init__(self, seconds: float | None = 0.0) -> None:
        self.seconds = seconds
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def select(self, query: str, **parameters: Any) -> Columns:
        self.asked.append((query, parameters))
        if self.seconds is None:
            raise StoreUnavailableError("clickhouse", "no answer")
        await asyncio.sleep(self.seconds)
        viewers, authors = parameters["viewers"], parameters["authors"]
        of_posts = [(EXISTS, EVERYBODY, post) for post in range(1, 6)] + [(HIDDEN, 2, 4)]
        of_authors = [(OUT, 1, 10), (FOLLOWED, 1, 20), (UNFOLLOWED, 1, 30), (FOLLOWED, 2, 10)]
        rows = [row for row in of_posts if row[2] in parameters["posts"] and row[1] in {EVERYBODY, *viewers}]
        rows += [row for row in of_authors if row[2] in authors and row[1] in viewers]
        columns = np.array(rows, dtype=np.int64).reshape(-1, 3).T
        return Columns(zip(("kind", "viewer_id", "other_id"), columns, strict=True))


async def test_without_postgresql_pages_that_come_together_share_a_query_and_each_gets_its_own_rules() -> None:
    store = ClickHouse()
    rules = Rules(Pool(None), store, VirtualClock())
    first = asyncio.create_task(rules.read(1, [1, 9], [10, 20, 30]))
    others = [asyncio.create_task(rules.read(viewer, [3, 4, 5], [10, 20])) for viewer in (1, 2, 2, 1, 1)]
    alone = PageRules(frozenset({1}), frozenset({10, 30}), frozenset({20}), current=False)
    assert await first == alone
    found = await asyncio.gather(*others)
    assert [page.existing for page in found] == [
        {3, 4, 5} - ({4} if viewer == 2 else set()) for viewer in (1, 2, 2, 1, 1)
    ]
    assert [page.followed for page in found] == [{20} if viewer == 1 else {10} for viewer in (1, 2, 2, 1, 1)]
    assert [page.hidden_authors for page in found] == [{10} if viewer == 1 else set() for viewer in (1, 2, 2, 1, 1)]
    assert [name for name, _ in store.asked] == ["page_rules"]
    assert not any(page.current for page in found)


async def test_while_nothing_is_heard_from_postgresql_clickhouse_is_asked_beside_it_and_at_once_by_whoever_comes_then(
) -> None:  # fmt: skip
    pool = Pool(60)
    rules, loop = Rules(pool, ClickHouse(), VirtualClock()), asyncio.get_running_loop()
    began = loop.time()
    page = await rules.read(1, [1], [10])
    first_s = loop.time() - began
    assert not page.current
    assert SILENT_S <= first_s < 10 * SILENT_S
    began = loop.time()
    assert not (await rules.read(2, [1], [10])).current
    assert loop.time() - began < SILENT_S
    assert pool.asked == 2


async def test_a_postgresql_that_is_slow_still_has_the_word_when_it_speaks_first() -> None:
    rules = Rules(Pool(1.5 * SILENT_S), ClickHouse(60), VirtualClock())
    assert (await rules.read(1, [1, 2], [10])) == PageRules(frozenset({1}), frozenset(), frozenset())


async def test_who_waits_in_line_while_others_hear_from_postgresql_is_not_answered_by_clickhouse() -> None:
    pool, store = Pool(1.5 * SILENT_S), ClickHouse()
    rules = Rules(pool, store, VirtualClock())
    slow = asyncio.create_task(rules.read(1, [1], [10]))
    for _ in range(8):
        await asyncio.sleep(SILENT_S / 5)
        pool.seconds = 0
        assert (await rules.read(2, [1], [10])).current
    assert (await slow).current
    assert not store.asked


async def test_a_rule_that_came_while_postgresql_was_being_asked_holds_for_whoever_asks_then() -> None:
    pool = Pool(0.1)
    rules = Rules(pool, ClickHouse(60), VirtualClock())
    before = asyncio.create_task(rules.read(1, [1], [10]))
    await asyncio.sleep(0.02)
    pool.existing = []  # the post is deleted, after the first question was asked
    after = asyncio.create_task(rules.read(1, [1], [10]))
    assert (await before).existing == {1}
    assert (await after).existing == frozenset()
    assert pool.asked == 2


async def test_when_neither_answers_the_read_fails() -> None:
    rules = Rules(Pool(1.5 * SILENT_S), ClickHouse(None), VirtualClock())
    assert (await rules.read(1, [1], [10])).current
    with pytest.raises(StoreUnavailableError, match="clickhouse"):
        await Rules(Pool(None), ClickHouse(None), VirtualClock()).read(1, [1], [10])
