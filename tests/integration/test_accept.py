"""Accepting events in a real PostgreSQL: whatever comes again, in whatever order and however late, counts once."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from nova_feed.ingest.accept import Accepted, Acceptor, Fate
from nova_feed.ingest.validate import Valid, validate
from nova_feed.workers.housekeeping import drop_past_days

pytestmark = pytest.mark.integration
NOW = int(datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0).timestamp() * 1000)
MIDNIGHT = NOW + 12 * 3_600_000


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(postgres_dsn, min_size=0, max_size=8) as pool:
        yield pool


def items(*fields: dict[str, Any], subject: int = 7, now_ms: int = NOW) -> list[tuple[Valid, int]]:
    made = []
    for index, one in enumerate(fields):
        raw = msgspec.Raw(json.dumps({"post_id": 5, "action": "view"} | one).encode())
        verdict = validate(index, raw, subject_id=subject, any_user=False, now_ms=now_ms)
        assert isinstance(verdict, Valid), verdict
        made.append((verdict, 9))
    return made


def named(*names: str, **more: Any) -> list[dict[str, Any]]:
    return [{"event_id": name, "event_time": rfc3339(NOW)} | more for name in names]


def rfc3339(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat()


async def fates(pool: asyncpg.Pool, sent: Sequence[tuple[Valid, int]]) -> list[Fate]:
    return (await Acceptor(pool).accept(sent))[1]


async def seqs(pool: asyncpg.Pool) -> list[int]:
    return [row[0] for row in await pool.fetch("SELECT seq FROM nova_events_seen WHERE seq > 0 ORDER BY seq")]


async def test_the_outbox_names_exactly_the_seqs_that_were_taken(pool: asyncpg.Pool) -> None:
    await fates(pool, items(*named("a", "b")))
    accepted, told = await Acceptor(pool).accept(items(*named("b", "c", "a", "d")))
    assert told == ["duplicate", "accepted", "duplicate", "accepted"]
    assert isinstance(accepted, Accepted)
    rows = await pool.fetch("SELECT base, positions FROM nova_events_outbox ORDER BY base")
    assert [row["base"] + at for row in rows for at in row["positions"]] == await seqs(pool)
    assert accepted.positions == (1, 3)


async def test_a_request_of_duplicates_leaves_nothing_behind(pool: asyncpg.Pool) -> None:
    await fates(pool, items(*named("a")))
    accepted, told = await Acceptor(pool).accept(items(*named("a")))
    assert (accepted, told) == (None, ["duplicate"])
    assert await pool.fetchval("SELECT count(*) FROM nova_events_outbox") == 1


async def test_the_same_request_a_hundred_times_at_once_is_taken_once(pool: asyncpg.Pool) -> None:
    sent = items(*named(*(str(i) for i in range(20))))
    told = await asyncio.gather(*(fates(pool, sent) for _ in range(100)))
    assert sum(fate == "accepted" for answer in told for fate in answer) == 20
    assert {fate for answer in told for fate in answer} == {"accepted", "duplicate"}
    assert len(await seqs(pool)) == 20


async def test_requests_that_overlap_in_any_order_never_deadlock(pool: asyncpg.Pool) -> None:
    names, dice = [str(i) for i in range(60)], random.Random(7)
    batches = [items(*named(*dice.sample(names, 40))) for _ in range(60)]
    told = await asyncio.gather(*(fates(pool, batch) for batch in batches))
    assert sum(fate == "accepted" for answer in told for fate in answer) == len(await seqs(pool)) == 60


async def test_the_same_name_with_another_body_is_a_conflict_and_changes_nothing(pool: asyncpg.Pool) -> None:
    await fates(pool, items(*named("a")))
    assert await fates(pool, items(*named("a", action="share"))) == ["conflict"]
    assert await fates(pool, items(*named("a"))) == ["duplicate"]
    assert len(await seqs(pool)) == 1


async def test_another_subject_may_use_the_same_name(pool: asyncpg.Pool) -> None:
    assert await fates(pool, items(*named("a"))) == await fates(pool, items(*named("a"), subject=8)) == ["accepted"]


async def test_events_without_a_name_are_the_same_within_a_second(pool: asyncpg.Pool) -> None:
    assert await fates(pool, items({}, now_ms=NOW)) == ["accepted"]
    assert await fates(pool, items({"dwell_ms": 5}, now_ms=NOW + 999)) == ["duplicate"]
    assert await fates(pool, items({}, now_ms=NOW + 1000)) == ["accepted"]


@pytest.mark.parametrize("late_ms", [1, 3_600_000, 23 * 3_600_000])
async def test_a_named_event_without_a_time_is_recognised_past_midnight(pool: asyncpg.Pool, late_ms: int) -> None:
    assert await fates(pool, items({"event_id": "a"}, now_ms=MIDNIGHT - 1)) == ["accepted"]
    assert await fates(pool, items({"event_id": "a"}, now_ms=MIDNIGHT + late_ms)) == ["duplicate"]
    assert await fates(pool, items({"event_id": "a", "action": "share"}, now_ms=MIDNIGHT + late_ms)) == ["conflict"]
    assert len(await seqs(pool)) == 1


async def test_a_day_that_has_no_partition_yet_gets_one(pool: asyncpg.Pool) -> None:
    for name in await partitions(pool):
        await pool.execute(f"DROP TABLE {name}")
    assert await fates(pool, items(*named("a"))) == ["accepted"]


async def test_only_days_that_no_retry_can_reach_are_dropped(pool: asyncpg.Pool) -> None:
    today = datetime.now(UTC).date()
    for past in (3, 4, 400):
        day = today - timedelta(days=past)
        await pool.execute(
            f"CREATE TABLE nova_events_seen_{day:%Y%m%d} PARTITION OF nova_events_seen"
            f" FOR VALUES FROM ('{day}') TO ('{day + timedelta(days=1)}')"
        )
    kept = await fates(pool, items(*named("a")))
    dropped = await drop_past_days(pool)
    assert sorted(dropped) == [f"nova_events_seen_{today - timedelta(days=past):%Y%m%d}" for past in (400, 4, 3)]
    assert [*await fates(pool, items(*named("a"))), *kept] == ["duplicate", "accepted"]
    assert len(await partitions(pool)) == 5


async def partitions(pool: asyncpg.Pool) -> list[str]:
    rows = await pool.fetch(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'nova_events_seen'::regclass"
    )
    return [row[0] for row in rows]


async def test_an_author_is_looked_up_once_and_a_stranger_every_time(pool: asyncpg.Pool) -> None:
    author = await pool.fetchval("INSERT INTO users (username) VALUES ('ann') RETURNING id")
    post = await pool.fetchval("INSERT INTO posts (author_id) VALUES ($1) RETURNING id", author)
    acceptor = Acceptor(pool)
    [(mine, _)], [(other, _)] = items({"post_id": post}), items({"post_id": post + 1})
    assert await acceptor.authors([mine]) == ([(mine, author)], [])
    assert [bad.reason for bad in (await acceptor.authors([other]))[1]] == ["post_id: there is no such post"]
    await pool.execute("DELETE FROM posts")
    await pool.execute("INSERT INTO posts (id, author_id) VALUES ($1, $2)", post + 1, author)
    assert await acceptor.authors([mine]) == ([(mine, author)], [])
    assert await acceptor.authors([other]) == ([(other, author)], [])
