"""A consumer group of our own on a real broker: at least once, whoever comes and goes."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, Producer
from confluent_kafka.admin import AdminClient

from nova_feed.errors import StoreUnavailableError
from nova_feed.stream.admin import ensure_topics
from nova_feed.stream.consumer import BATCH, GroupConsumer, Received
from nova_feed.topics import Topic
from tests.stack import LocalStack
from tests.waiting import eventually

pytestmark = pytest.mark.integration
PARTITIONS = 4
NEVER_S = 3600.0
SOON_S = 30


class Room:
    """A topic and a group of a test's own."""

    def __init__(self, brokers: str) -> None:
        self.brokers = brokers
        self.topic, self.group = (f"test-{what}-{uuid.uuid4().hex[:10]}" for what in ("topic", "group"))
        self._producer = Producer({"bootstrap.servers": brokers, "linger.ms": 0, "enable.idempotence": True})
        self._admin = AdminClient({"bootstrap.servers": brokers})

    async def produce(self, numbers: Sequence[int]) -> None:
        """A record per number, spread over all partitions."""
        for number in numbers:
            self._producer.produce(self.topic, value=str(number), partition=number % PARTITIONS)
        assert await asyncio.to_thread(self._producer.flush, 20) == 0

    def produce_nothing(self) -> None:
        """A tombstone."""
        self._producer.produce(self.topic, value=None, key=b"gone", partition=0)
        assert self._producer.flush(20) == 0

    async def committed(self) -> dict[int, int]:
        """partition -> committed offset."""
        asked = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(self.group)])[self.group]
        found = await asyncio.to_thread(asked.result, 10)
        return {p.partition: p.offset for p in found.topic_partitions if p.offset >= 0}

    def member(self, *, from_start: bool = True, commit_every_s: float = NEVER_S, most: int = 2_000) -> GroupConsumer:
        return GroupConsumer(
            self.brokers, self.group, [self.topic], from_start=from_start, commit_every_s=commit_every_s,
            most_waiting=most,
        )  # fmt: skip


class Seen:
    """A handler that remembers what it was given."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.partitions: set[int] = set()

    async def __call__(self, records: Sequence[Received]) -> None:
        self.numbers += [int(record.value or b"-1") for record in records]
        self.partitions |= {record.partition for record in records}


@pytest.fixture
async def room(stack: LocalStack) -> Room:
    made = Room(stack.facts["kafka_brokers"])
    await ensure_topics(made.brokers, 1, (Topic(made.topic, PARTITIONS, 3_600_000),))
    return made


@asynccontextmanager
async def running(
    member: GroupConsumer, handle: Callable[[Sequence[Received]], Awaitable[None]]
) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(member.run(handle))
    yield task
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def came(seen: Seen, numbers: Sequence[int]) -> None:
    async def all_there() -> bool:
        return set(numbers) <= set(seen.numbers)

    await eventually(all_there, SOON_S)


async def test_what_is_done_is_committed_when_a_second_member_takes_partitions_over(room: Room) -> None:
    first, second = Seen(), Seen()
    await room.produce(range(40))
    async with running(room.member(), first):
        await came(first, range(40))
        assert await room.committed() == {}
        async with running(room.member(), second):

            async def some_are_given_away() -> dict[int, int]:
                return await room.committed()

            given = await eventually(some_are_given_away, SOON_S)
            # Cooperative: what the first member keeps was not taken from it, so nothing of that was committed.
            assert set(given.values()) == {10}
            assert 0 < len(given) < PARTITIONS
            await room.produce(range(40, 80))

            async def all_there() -> bool:
                return set(range(80)) <= {*first.numbers, *second.numbers}

            await eventually(all_there, SOON_S)
            assert second.partitions == set(given)
    assert Counter(first.numbers + second.numbers) == Counter(range(80))


async def test_a_member_that_comes_back_goes_on_where_it_stopped(room: Room) -> None:
    seen = Seen()
    await room.produce(range(20))
    async with running(room.member(), seen):
        await came(seen, range(20))
    assert await room.committed() == dict.fromkeys(range(PARTITIONS), 5)
    await room.produce(range(20, 30))
    async with running(room.member(), seen):
        await came(seen, range(20, 30))
    assert Counter(seen.numbers) == Counter(range(30))


async def test_offsets_are_committed_while_a_member_runs(room: Room) -> None:
    await room.produce(range(20))
    async with running(room.member(commit_every_s=0.2), Seen()):

        async def all_committed() -> bool:
            return await room.committed() == dict.fromkeys(range(PARTITIONS), 5)

        await eventually(all_committed, SOON_S)


async def test_a_new_group_starts_at_the_end_and_misses_nothing_from_then_on(room: Room) -> None:
    seen = Seen()
    await room.produce(range(20))
    member = room.member(from_start=False, commit_every_s=0.2)

    async def has_started() -> bool:
        return await room.committed() == dict.fromkeys(range(PARTITIONS), 5)

    async with running(member, seen):
        await eventually(has_started, SOON_S)
    await room.produce(range(20, 30))
    async with running(member, seen):
        await came(seen, range(20, 30))
    assert Counter(seen.numbers) == Counter(range(20, 30))


async def test_a_poisoned_record_is_passed_by_and_stops_nothing_behind_it(room: Room) -> None:
    seen = Seen()

    async def handle(records: Sequence[Received]) -> None:
        if any(int(record.value or b"") % 10 == 7 for record in records):
            raise ValueError("no such number")
        await seen(records)

    await room.produce(range(100))
    good = [number for number in range(100) if number % 10 != 7]
    async with running(room.member(), handle):
        await came(seen, good)
    assert Counter(seen.numbers) == Counter(good)
    assert await room.committed() == dict.fromkeys(range(PARTITIONS), 25)


async def test_a_batch_whose_store_is_away_is_handed_over_again_and_committed_only_then(room: Room) -> None:
    seen, tries = Seen(), Counter[str]()

    async def handle(records: Sequence[Received]) -> None:
        tries["all"] += 1
        if tries["all"] <= 3:
            assert await room.committed() == {}
            raise StoreUnavailableError("valkey", "away")
        await seen(records)

    await room.produce(range(8))
    async with running(room.member(commit_every_s=0.05), handle):
        await came(seen, range(8))
    assert Counter(seen.numbers) == Counter(range(8))


async def test_what_waits_for_a_slow_handler_is_bounded_and_all_of_it_comes_in_the_end(room: Room) -> None:
    seen, go_on, most = Seen(), asyncio.Event(), 100
    await room.produce(range(8_000))

    async def handle(records: Sequence[Received]) -> None:
        await go_on.wait()
        await seen(records)

    member = room.member(most=most)
    async with running(member, handle):

        async def is_paused() -> bool:
            return member.paused

        await eventually(is_paused, SOON_S)
        assert most <= member.waiting < most + BATCH
        go_on.set()
        await came(seen, range(8_000))
        assert not member.waiting
    assert Counter(seen.numbers) == Counter(range(8_000))
    by_partition = [[n for n in seen.numbers if n % PARTITIONS == p] for p in range(PARTITIONS)]
    assert by_partition == [sorted(numbers) for numbers in by_partition]


async def test_a_batch_that_is_not_done_is_not_committed_and_comes_again(room: Room) -> None:
    began, seen = asyncio.Event(), Seen()

    async def hang(_: Sequence[Received]) -> None:
        began.set()
        await asyncio.Event().wait()

    await room.produce(range(20))
    async with running(room.member(commit_every_s=0.05), hang):
        await began.wait()
    assert not any((await room.committed()).values())
    async with running(room.member(), seen):
        await came(seen, range(20))


async def test_a_record_without_a_value_is_handed_on_like_any_other(room: Room) -> None:
    seen = Seen()
    room.produce_nothing()
    async with running(room.member(), seen):
        await came(seen, [-1])
