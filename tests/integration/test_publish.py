"""The way from the outbox to the broker: what was acknowledged is marked, everything else is sent again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import asyncpg
import pytest

from nova_feed.ingest.accept import Accepted
from nova_feed.ingest.publish import Publisher
from nova_feed.stream.producer import Record
from tests.waiting import eventually

pytestmark = pytest.mark.integration
BODY = b'5\t{"post_id":1}'


@dataclass
class Broker:
    """Takes what is sent, and answers when the test says so."""

    asked: list[tuple[bytes, Callable[[bool], None]]] = field(default_factory=list)

    def send(self, topic: str, records: Sequence[Record], done: Callable[[bool], None]) -> None:
        assert topic == "events"
        self.asked.append((records[0].value, done))

    def answer(self, *, good: bool) -> None:
        asked, self.asked = self.asked, []
        for _, done in asked:
            done(good)


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(postgres_dsn, min_size=0, max_size=4) as pool:
        yield pool


async def accept(pool: asyncpg.Pool, base: int, age_s: int = 0) -> Accepted:
    row = await pool.fetchrow(
        "INSERT INTO nova_events_outbox (base, accepted_ms, positions, body) VALUES"
        " ($1, floor(extract(epoch FROM clock_timestamp()) * 1000) - $2, '{0}', $3) RETURNING accepted_ms",
        base, age_s * 1000, BODY,
    )  # fmt: skip
    assert row is not None
    return Accepted(base, row["accepted_ms"], (0,), BODY)


async def acked(pool: asyncpg.Pool) -> list[int]:
    return [row[0] for row in await pool.fetch("SELECT base FROM nova_events_outbox WHERE acked ORDER BY base")]


async def test_what_the_broker_acknowledged_is_marked(pool: asyncpg.Pool) -> None:
    broker = Broker()
    publisher = Publisher(pool, broker)
    for base in (128, 256):
        publisher.publish(await accept(pool, base))
    await publisher.sweep_once()
    assert await acked(pool) == []
    broker.answer(good=True)
    await publisher.sweep_once()
    assert await acked(pool) == [128, 256]


async def test_what_the_broker_refused_is_left_to_the_relay(pool: asyncpg.Pool) -> None:
    broker = Broker()
    publisher = Publisher(pool, broker)
    publisher.publish(await accept(pool, 128, age_s=20))
    broker.answer(good=False)
    await publisher.sweep_once()
    assert await acked(pool) == []
    await relayed(publisher, broker, 1)


async def test_the_relay_sends_only_what_is_old_and_not_on_its_way(pool: asyncpg.Pool) -> None:
    broker = Broker()
    publisher = Publisher(pool, broker)
    publisher.publish(await accept(pool, 128, age_s=20))
    await accept(pool, 256, age_s=20)
    await accept(pool, 384, age_s=1)
    await relayed(publisher, broker, 2)
    assert [value.split(b",")[0] for value, _ in broker.asked] == [b'{"seq":128', b'{"seq":256']


async def test_marks_that_postgresql_did_not_take_are_made_later(pool: asyncpg.Pool) -> None:
    broker = Broker()
    publisher = Publisher(pool, broker)
    publisher.publish(await accept(pool, 128))
    broker.answer(good=True)
    await pool.execute("ALTER TABLE nova_events_outbox RENAME TO away")
    await publisher.sweep_once()
    await pool.execute("ALTER TABLE away RENAME TO nova_events_outbox")
    await publisher.sweep_once()
    assert await acked(pool) == [128]


async def relayed(publisher: Publisher, broker: Broker, count: int) -> None:
    """Run the relay until so much is on its way, and a little longer."""
    relay = asyncio.create_task(publisher.relay(every_s=0.05))

    async def is_so() -> bool:
        return len(broker.asked) >= count

    await eventually(is_so, 10)
    await eventually(is_so, 1)
    relay.cancel()
    assert len(broker.asked) == count
