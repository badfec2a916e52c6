"""The rules of many pages, read in one question, are what the tables say of each page."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import asyncpg
import pytest

from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.rules import PageRules, Rules
from nova_feed.local.ports import free_port
from nova_feed.model import CANARY_AUTHOR
from nova_feed.store.client import Store
from tests.unit.test_clock import VirtualClock

pytestmark = pytest.mark.integration
PEOPLE, POSTS, PAGES = 12, 40, 200
CANARY, GONE = PEOPLE, POSTS + 5
Pair = tuple[int, int]


def some(lot: random.Random, share: float) -> set[Pair]:
    """Pairs of two people."""
    pairs = [(a, b) for a in range(1, PEOPLE + 1) for b in range(1, PEOPLE + 1) if a != b]
    return {pair for pair in pairs if lot.random() < share}


async def test_pages_that_come_together_each_get_what_the_tables_say_of_them(
    pool: asyncpg.Pool, nowhere: Store
) -> None:
    lot = random.Random(27)
    follows, blocks, mutes = some(lot, 0.3), some(lot, 0.1), some(lot, 0.1)
    hidden = {(lot.randint(1, PEOPLE), lot.randint(1, POSTS)) for _ in range(60)}
    names = [f"p{i}" for i in range(1, PEOPLE)] + [CANARY_AUTHOR]
    await pool.executemany("INSERT INTO users (username) VALUES ($1)", [(name,) for name in names])
    assert [row[0] for row in await pool.fetch("SELECT id FROM users WHERE username = $1", CANARY_AUTHOR)] == [CANARY]
    await pool.executemany("INSERT INTO posts (author_id, body) VALUES ($1, '')", [(1 + i % 11,) for i in range(POSTS)])
    for table, pairs in (("follows", follows), ("blocks", blocks), ("mutes", mutes), ("nova_hidden", hidden)):
        await pool.executemany(f"INSERT INTO {table} VALUES ($1, $2)", sorted(pairs))

    def expected(viewer: int, posts: Sequence[int], authors: Sequence[int]) -> PageRules:
        followed = {author for author in authors if (viewer, author) in follows}
        out = {a for a in authors if (viewer, a) in blocks or (a, viewer) in blocks or (viewer, a) in mutes}
        return PageRules(
            frozenset(post for post in posts if post <= POSTS and (viewer, post) not in hidden),
            frozenset(out | ({CANARY} & {*authors} - followed)),
            frozenset(followed),
        )

    pages = [
        (lot.randint(1, PEOPLE), lot.sample(range(1, GONE), lot.randint(0, 20)), lot.sample(range(1, PEOPLE + 1), 6))
        for _ in range(PAGES)
    ]
    rules = Rules(pool, nowhere, VirtualClock())
    found = await asyncio.gather(*(rules.read(*page) for page in pages))
    assert found == [expected(*page) for page in pages]
    assert any(page.hidden_authors for page in found)


async def test_viewers_who_come_together_are_each_told_how_many_posts_of_followees_are_newer(
    pool: asyncpg.Pool, nowhere: Store
) -> None:
    lot = random.Random(28)
    follows = some(lot, 0.3)
    await pool.executemany("INSERT INTO users (username) VALUES ($1)", [(f"p{i}",) for i in range(PEOPLE)])
    await pool.executemany("INSERT INTO follows VALUES ($1, $2)", sorted(follows))
    posts = [(1 + lot.randrange(PEOPLE), i) for i in range(POSTS)]  # author, and the second it was made in
    made = "INSERT INTO posts (author_id, body, created_at) VALUES ($1, '', to_timestamp($2))"
    await pool.executemany(made, posts)
    asked = [(lot.randint(1, PEOPLE), lot.randint(-1, POSTS) * 1000) for _ in range(PAGES)]
    rules = Rules(pool, nowhere, VirtualClock())
    found = await asyncio.gather(*(rules.newer(*one) for one in asked))
    assert found == [
        sum((viewer, author) in follows and second * 1000 > since_ms for author, second in posts)
        for viewer, since_ms in asked
    ]
    assert {0} < {*found}


async def test_one_question_that_fails_is_one_failure_however_many_pages_it_was_for(nowhere: Store) -> None:
    away = asyncpg.create_pool(f"postgresql://127.0.0.1:{free_port()}/nova", min_size=0, max_size=2, timeout=1)
    async with away as pool:
        rules = Rules(pool, nowhere, VirtualClock())
        found = await asyncio.gather(*(rules.read(i, [i], [i]) for i in range(1, 60)), return_exceptions=True)
    assert all(isinstance(page, StoreUnavailableError) for page in found)
    assert rules.postgres.state == "closed"
