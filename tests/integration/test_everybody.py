"""Everybody's pairs, read at once, are what ClickHouse answers of each viewer asked for by name."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator, Sequence

import pytest

from nova_feed.feed.known import BLOCKED, FOLLOWS, MUTED, UNFOLLOWED, Everybody, Known, by_viewer
from nova_feed.store.client import Store
from nova_feed.store.migrate import migrate
from tests.stack import LocalStack

pytestmark = pytest.mark.integration
NOWHERE = {"KAFKA_BROKERS": "127.0.0.1:1", "KAFKA_CONSUMERS": "1"}  # the stack's broker has readers of its own
PEOPLE, POSTS = 24, 60
Pair = tuple[int, int]
Row = tuple[int, int, int, int]


@pytest.fixture
async def store(stack: LocalStack) -> AsyncIterator[Store]:
    """In a migrated database of its own, where nothing is merged: of a row all versions stay."""
    name = f"everybody_{uuid.uuid4().hex[:12]}"
    found = Store(f"{stack.facts['clickhouse_url'].rpartition('/')[0]}/{name}", timeout_s=20, name="nova tests")
    try:
        await migrate(await found.client(), NOWHERE)
        for table in ("follows", "blocks", "mutes"):
            await found.command(f"SYSTEM STOP MERGES {table}")
        yield found
        await found.command(f"DROP DATABASE {name}")
    finally:
        await found.close()


def somebody(lot: random.Random) -> int:
    """Some come more often than others."""
    return min(lot.randint(1, PEOPLE), lot.randint(1, PEOPLE))


def changes(lot: random.Random, how_many: int) -> list[Row]:
    """Rows of (one, other, deleted, version): some pairs come often, the versions of a pair in any order."""
    pairs = [(somebody(lot), somebody(lot)) for _ in range(how_many)]
    return [(*pair, int(lot.random() < 0.4), version) for version, pair in enumerate(lot.sample(pairs, how_many))]


def newest(rows: Sequence[Row]) -> dict[Pair, bool]:
    """Of each pair whether it is there, as its newest version says."""
    return {(one, other): not deleted for one, other, deleted, _ in sorted(rows, key=lambda row: row[3])}


async def insert(store: Store, table: str, rows: Sequence[str]) -> None:
    """In several parts; within one insert ClickHouse itself leaves the newest version of a row alone."""
    for first in range(4):
        await store.command(f"INSERT INTO {table} VALUES {', '.join(rows[first::4])}")


async def interact(store: Store, lot: random.Random) -> None:
    """Make affinity of posts, likes, comments and events."""
    posts = [f"({post}, {1 + post % PEOPLE}, now64(3), {int(post % 9 == 0)}, {post})" for post in range(1, POSTS + 1)]
    await insert(store, "posts", posts)
    for table in ("likes", "comments"):
        rows = [
            f"({i}, {lot.randint(1, POSTS)}, {lot.randint(1, PEOPLE)}, now64(3), {int(lot.random() < 0.2)}, {i})"
            for i in range(1, 200)
        ]
        await insert(store, table, rows)
    await store.command(
        "INSERT INTO user_author_90d SELECT user_id, author_id, today(), uniqExactState(seq), now64(3) FROM ("
        f"SELECT number AS seq, toInt64(1 + number * 7 % {PEOPLE}) AS user_id, toInt64(1 + number * number % {PEOPLE})"
        " AS author_id FROM numbers(1, 100)) GROUP BY user_id, author_id"
    )
    for command in ("WAIT", "REFRESH", "WAIT"):  # the one of the view's beginning first
        await store.command(f"SYSTEM {command} VIEW affinity")


async def relate(store: Store, lot: random.Random) -> dict[str, dict[Pair, bool]]:
    """Let many follow, block and mute each other, and take it back; table -> what came of it."""
    found = {}
    for table, how_many in (("follows", 600), ("blocks", 150), ("mutes", 150)):
        rows = changes(lot, how_many)
        lot.shuffle(rows)
        await insert(store, table, [f"({a}, {b}, now64(3), {deleted}, {version})" for a, b, deleted, version in rows])
        found[table] = newest(rows)
    return found


def relation(facts: dict[str, dict[Pair, bool]], pair: Pair) -> int:
    """As ``queries/pairs.sql`` has it."""
    follow = {None: 0, True: FOLLOWS, False: UNFOLLOWED}[facts["follows"].get(pair)]
    blocked = facts["blocks"].get(pair) or facts["blocks"].get(pair[::-1])
    return follow | (BLOCKED if blocked else 0) | (MUTED if facts["mutes"].get(pair) else 0)


def told(known: Known) -> tuple[list[int], ...]:
    columns = (known.authors, known.interactions, known.relation, known.close)
    return tuple(column.tolist() for column in columns)


async def test_of_everybody_the_same_is_known_as_of_each_viewer_asked_for_by_name(store: Store) -> None:
    lot, viewers = random.Random(27), range(PEOPLE + 2)  # the first and the last are nobody
    facts = await relate(store, lot)
    await interact(store, lot)
    everybody = await Everybody.read(store)
    pairs = await store.select("pairs", viewers=list(viewers))
    assert (pairs["interactions"] > 0).sum() > 100
    for viewer, rows in by_viewer(pairs, viewers).items():
        known = everybody.known(viewer)
        assert told(known) == told(Known.of(viewer, pairs, rows))
        assert known.relation.tolist() == [relation(facts, (viewer, author)) for author in known.authors.tolist()]
    assert [len(everybody.known(nobody).authors) for nobody in (viewers[0], viewers[-1])] == [0, 0]


async def test_where_nobody_has_done_anything_nothing_is_known_of_anybody(store: Store) -> None:
    everybody = await Everybody.read(store)
    assert told(everybody.known(1)) == ([], [], [], [])
    assert (await store.select("table_sizes"))["pairs"].tolist() == [0]


async def test_the_largest_table_of_pairs_counts_by_the_rows_that_come_of_it(store: Store) -> None:
    for table, size in (("follows", 1), ("blocks", 2), ("mutes", 3)):
        await store.command(f"INSERT INTO {table} VALUES (1, 2, now64(3), 0, 1)")
        assert (await store.select("table_sizes"))["pairs"].tolist() == [size]
    await interact(store, random.Random(27))
    found = (await store.sql("SELECT count() AS n FROM affinity"))["n"][0]
    assert found > 100
    assert (await store.select("table_sizes"))["pairs"].tolist() == [found]
