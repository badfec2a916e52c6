"""What PostgreSQL alone knows of trends and of whom to follow: right, and bounded whoever asks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest

from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.engagement import NEWEST, from_postgres
from nova_feed.feed.hints import from_postgres as hints_from_postgres
from nova_feed.feed.people import People
from nova_feed.ranking import Hint, Kind, engagement, merge_hints, trend
from nova_feed.store.client import Store
from tests.app import App
from tests.stack import LocalStack
from tests.waiting import eventually

pytestmark = pytest.mark.integration
PEOPLE = 5_000
HOUR = 3_600


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    """Connections as the fallback has them, to an empty database."""
    pool = await asyncpg.create_pool(
        postgres_dsn, min_size=0, max_size=4, timeout=2, server_settings={"statement_timeout": "500"}
    )
    yield pool
    await pool.close()


@pytest.fixture
async def sql(postgres_dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """The app's own connection to the same database."""
    connection = await asyncpg.connect(postgres_dsn, timeout=10)
    yield connection
    await connection.close()


async def test_likes_and_comments_within_the_window_make_the_score(pool: asyncpg.Pool, sql: asyncpg.Connection) -> None:
    app = App(sql)
    author, fan = await app.person(), await app.person()
    best, other = await app.post(author), await app.post(author)
    for post in (best, other):
        await app.like(fan, post)
    await app.comment(fan, best)
    await app.like(author, best)
    await sql.execute("UPDATE likes SET created_at = now() - interval '2 hours' WHERE user_id = $1", author)
    hour, day = trend(await from_postgres(pool, HOUR)), trend(await from_postgres(pool, 24 * HOUR))
    assert (hour.post_id.tolist(), engagement(hour).tolist()) == ([best, other], [3, 1])
    assert engagement(day).tolist() == [4, 1]
    await app.delete(best)
    assert trend(await from_postgres(pool, HOUR)).post_id.tolist() == [other]


async def test_with_nothing_there_the_answers_are_empty(pool: asyncpg.Pool) -> None:
    assert len(await from_postgres(pool, HOUR)) == 0
    assert await hints_from_postgres(pool, 1) == []


async def test_hints_name_friends_of_friends_and_authors_one_likes_but_nobody_one_follows(
    pool: asyncpg.Pool, sql: asyncpg.Connection
) -> None:
    app = App(sql)
    viewer, first, second, known, wanted, read = [await app.person() for _ in range(6)]
    for friend in (first, second):
        await app.follow(viewer, friend)
        for followee in (known, wanted, viewer):
            await app.follow(friend, followee)
    await app.follow(viewer, known)
    await app.like(viewer, await app.post(read))
    await app.comment(viewer, await app.post(read))
    hints = await hints_from_postgres(pool, viewer)
    assert Hint(wanted, Kind.FOLLOWED_BY, 2, (first, second)) in hints
    assert Hint(read, Kind.READ, 2) in hints
    assert {hint.person_id for hint in hints} == {wanted, read}


async def test_a_viewer_with_five_thousand_follows_is_answered_within_the_statements_time(
    pool: asyncpg.Pool, sql: asyncpg.Connection
) -> None:
    await sql.execute("INSERT INTO users (username) SELECT 'u' || n FROM generate_series(0, $1::int) AS n", PEOPLE)
    viewer = await sql.fetchval("SELECT min(id) FROM users")
    await sql.execute("INSERT INTO follows SELECT $1, id FROM users WHERE id > $1", viewer)
    await sql.execute("INSERT INTO posts (author_id) SELECT id FROM users")
    await sql.execute("INSERT INTO users (username) SELECT 'v' || n FROM generate_series(1, 1000) AS n")
    await sql.execute(
        "INSERT INTO follows SELECT u.id, $1::bigint + 1 + (u.id * 7 + n * 13) % 1000"
        " FROM users u, generate_series(1, 40) AS n WHERE u.id > $2 AND u.id <= $1::bigint ON CONFLICT DO NOTHING",
        viewer + PEOPLE, viewer,
    )  # fmt: skip
    await sql.execute(
        "INSERT INTO likes (post_id, user_id) SELECT p.id, u.id FROM posts p, users u WHERE u.id % 800 = p.id % 800"
    )
    assert await sql.fetchval("SELECT count(*) FROM likes") > NEWEST
    hints = await hints_from_postgres(pool, viewer)
    circle = [hint for hint in hints if hint.kind is Kind.FOLLOWED_BY]
    assert len(circle) == 100
    assert all(hint.amount <= 100 and len(hint.vias) <= 5 and hint.person_id > viewer + PEOPLE for hint in circle)
    assert len(merge_hints(viewer, hints)) == 100
    posts = await from_postgres(pool, HOUR)
    assert 0 < len(posts) <= 2000
    assert int(posts.likes.sum()) <= NEWEST


async def test_rules_about_people_are_the_same_from_either_store(
    stack: LocalStack, clickhouse: Store, app: App
) -> None:
    pool = await asyncpg.create_pool(stack.facts["postgres_url"], min_size=0, max_size=2)
    nowhere = await asyncpg.create_pool("postgresql://nobody@127.0.0.1:1/nowhere", min_size=0, max_size=1)
    viewer, followed, blocked, blocker, muted, muter, stranger = [await app.person() for _ in range(7)]
    await app.follow(viewer, followed)
    await app.block(viewer, blocked)
    await app.block(blocker, viewer)
    await app.mute(viewer, muted)
    await app.mute(muter, viewer)
    people = [followed, blocked, blocker, muted, muter, stranger, 2**60]
    told = await People(pool, clickhouse).read(viewer, people)
    assert (set(told.names), set(told.followed)) == ({followed, stranger}, {followed})

    async def the_same_from_clickhouse() -> bool:
        return await People(nowhere, clickhouse).read(viewer, people) == told

    await eventually(the_same_from_clickhouse, 20)
    await pool.close()
    await nowhere.close()


async def test_when_postgresql_is_away_it_is_named() -> None:
    nowhere = await asyncpg.create_pool("postgresql://nobody@127.0.0.1:1/nowhere", min_size=0, max_size=1)
    for read in (from_postgres(nowhere, HOUR), hints_from_postgres(nowhere, 1)):
        with pytest.raises(StoreUnavailableError, match="postgres"):
            await read
    await nowhere.close()
