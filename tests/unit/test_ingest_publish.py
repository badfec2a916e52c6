"""From the outbox to Kafka: what becomes of a row, whatever the broker and PostgreSQL do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.ingest.accept import Accepted
from nova_feed.ingest.publish import MOST_IN_FLIGHT, Publisher
from nova_feed.stream.producer import EventProducer, Record
from nova_feed.topics import EVENTS
from tests.unit.test_ranking_candidates import law

NOW = 1_760_000_000_123
Row = dict[str, Any]


def accepted(base: int, positions: Sequence[int] = (0, 2)) -> Accepted:
    lines = [b'7\t{"post_id":%d}' % line for line in range(1 + max(positions))]
    return Accepted(base, NOW, tuple(positions), b"\n".join(lines))


class Broker(EventProducer):
    """Takes batches, and answers for each when the test says so."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[Record]]] = []
        self._answers: list[Callable[[bool], None]] = []

    def send(self, topic: str, records: Sequence[Record], done: Callable[[bool], None]) -> None:
        self.sent.append((topic, list(records)))
        self._answers.append(done)

    def answer(self, *batches: int, good: bool = True) -> None:
        for batch in batches:
            self._answers[batch](good)

    @property
    def bases(self) -> list[int]:
        """Of the batches as they came; a batch's base is the seq of its line 0."""
        return [int(records[0].value.split(b":")[1].split(b",")[0]) for _, records in self.sent]


@dataclass
class Outbox:
    """The two statements a publisher runs, on rows in memory; every row is old enough."""

    rows: dict[int, Accepted]
    away: bool = False
    marked: int = 0
    looked: int = 0

    def __post_init__(self) -> None:
        self.acked: list[int] = []
        self.came = asyncio.Condition()

    async def execute(self, sql: str, bases: list[int], **_: float) -> None:
        self._reach()
        assert sql.startswith("UPDATE nova_events_outbox SET acked = true")
        self.marked += 1
        self.acked += bases

    async def fetch(self, sql: str, older_ms: int, known: list[int], **_: float) -> list[Row]:
        async with self.came:
            self.looked += 1
            self.came.notify_all()
        self._reach()
        left = [row for base, row in sorted(self.rows.items()) if base not in {*self.acked, *known}]
        names = ("base", "accepted_ms", "positions", "body", "trace")
        return [{name: getattr(row, name) for name in names} for row in left]

    def _reach(self) -> None:
        if self.away:
            raise ConnectionRefusedError("away")


@dataclass
class World:
    outbox: Outbox
    broker: Broker
    publisher: Publisher

    async def relayed(self, rounds: int) -> None:
        """Let the relay look at the outbox so many times."""
        relay = asyncio.create_task(self.publisher.relay(every_s=0))
        until = self.outbox.looked + rounds
        async with self.outbox.came:
            await self.outbox.came.wait_for(lambda: self.outbox.looked >= until)
        relay.cancel()
        with suppress(asyncio.CancelledError):
            await relay


def world(*rows: Accepted) -> World:
    outbox, broker = Outbox({row.base: row for row in rows}), Broker()
    pool: Any = outbox
    return World(outbox, broker, Publisher(pool, broker))


async def test_what_was_accepted_is_sent_at_once_with_its_seqs_and_marked_once_the_broker_has_it() -> None:
    w = world()
    w.publisher.publish(accepted(128))
    [(topic, records)] = w.broker.sent
    assert topic == EVENTS.name
    assert [record.key for record in records] == [b"7", b"7"]
    assert [record.value[:11] for record in records] == [b'{"seq":128,', b'{"seq":130,']
    await w.publisher.sweep_once()
    assert w.outbox.acked == []
    w.broker.answer(0)
    await w.publisher.sweep_once()
    assert w.outbox.acked == [128]


@law
@given(st.lists(st.booleans(), max_size=30))
def test_exactly_the_rows_that_the_broker_acknowledged_are_marked(good: list[bool]) -> None:
    async def run() -> list[int]:
        w = world()
        for i in range(len(good)):
            w.publisher.publish(accepted(128 * (i + 1)))
        for i, answer in enumerate(good):
            w.broker.answer(i, good=answer)
        await w.publisher.sweep_once()
        assert w.outbox.marked == any(good)
        return w.outbox.acked

    assert asyncio.run(run()) == [128 * (i + 1) for i, answer in enumerate(good) if answer]


async def test_rows_stay_to_be_marked_while_postgres_is_away() -> None:
    w = world()
    for base in (128, 256):
        w.publisher.publish(accepted(base))
    w.broker.answer(0, 1)
    w.outbox.away = True
    for _ in range(3):
        await w.publisher.sweep_once()
    w.outbox.away = False
    await w.publisher.sweep_once()
    assert sorted(w.outbox.acked) == [128, 256]
    await w.publisher.sweep_once()
    assert w.outbox.marked == 1


async def test_what_a_crash_left_behind_is_sent_once_in_the_order_it_was_accepted_in() -> None:
    w = world(accepted(384), accepted(128), accepted(256))
    await w.relayed(3)
    assert w.broker.bases == [128, 256, 384]
    w.broker.answer(0, 1, 2)
    await w.publisher.sweep_once()
    await w.relayed(3)
    assert (w.outbox.acked, len(w.broker.sent)) == ([128, 256, 384], 3)


async def test_the_relay_leaves_alone_what_is_under_way_or_acknowledged_and_not_yet_marked() -> None:
    w = world(accepted(128), accepted(256))
    w.publisher.publish(accepted(128))
    w.publisher.publish(accepted(256))
    w.broker.answer(1)
    await w.relayed(3)
    assert w.broker.bases == [128, 256]


async def test_what_the_broker_refused_is_sent_again_by_the_relay() -> None:
    w = world(accepted(128))
    w.publisher.publish(accepted(128))
    w.broker.answer(0, good=False)
    await w.relayed(2)
    assert w.broker.bases == [128, 128]
    w.broker.answer(1)
    await w.publisher.sweep_once()
    assert w.outbox.acked == [128]


async def test_the_relay_goes_on_once_postgres_is_back() -> None:
    w = world(accepted(128))
    w.outbox.away = True
    await w.relayed(3)
    assert w.broker.sent == []
    w.outbox.away = False
    await w.relayed(1)
    assert w.broker.bases == [128]


async def test_with_enough_under_way_the_relay_takes_no_more() -> None:
    w = world(*(accepted(128 * i) for i in range(1, 200)))
    for i in range(1, MOST_IN_FLIGHT + 1):
        w.publisher.publish(accepted(128 * i))
    relay = asyncio.create_task(w.publisher.relay(every_s=0))
    for _ in range(50):
        await asyncio.sleep(0)
    assert w.outbox.looked == 0
    relay.cancel()
    with pytest.raises(asyncio.CancelledError):
        await relay
