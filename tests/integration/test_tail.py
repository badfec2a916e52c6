"""A tail on a real broker: everything written from now on, and nothing from before."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient

from nova_feed.stream.admin import ensure_topics
from nova_feed.stream.consumer import Received
from nova_feed.stream.tail import Tail
from nova_feed.topics import Topic
from tests.stack import LocalStack
from tests.waiting import eventually

pytestmark = pytest.mark.integration
PARTITIONS = 3


class Ear:
    """What a tail told."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.missed = 0

    def hear(self, records: Sequence[Received]) -> None:
        self.numbers += [int(record.value or b"-1") for record in records]

    def miss(self) -> None:
        self.missed += 1

    async def has(self, numbers: Sequence[int]) -> None:
        async def all_of_them() -> bool:
            return sorted(self.numbers) == sorted(numbers)

        await eventually(all_of_them, 20)

    async def missed_times(self, times: int) -> None:
        async def so_often() -> bool:
            return self.missed == times

        await eventually(so_often, 20)


class Pipe:
    """A topic of a test's own."""

    def __init__(self, brokers: str) -> None:
        self.brokers, self.topic = brokers, f"test-tail-{uuid.uuid4().hex[:10]}"
        self._producer = Producer({"bootstrap.servers": brokers, "linger.ms": 0, "enable.idempotence": True})

    async def make(self) -> None:
        await ensure_topics(self.brokers, 1, (Topic(self.topic, PARTITIONS, 60_000),))

    async def remove(self) -> None:
        admin = AdminClient({"bootstrap.servers": self.brokers})
        for future in admin.delete_topics([self.topic]).values():
            await asyncio.to_thread(future.result, 10)

    async def produce(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._producer.produce(self.topic, value=str(number), partition=number % PARTITIONS)
        assert await asyncio.to_thread(self._producer.flush, 20) == 0

    @asynccontextmanager
    async def heard(self) -> AsyncIterator[Ear]:
        """A tail that reads."""
        ear = Ear()
        task = asyncio.create_task(Tail(self.brokers, [self.topic]).run(ear.hear, ear.miss))
        try:
            yield ear
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
async def pipe(stack: LocalStack) -> AsyncIterator[Pipe]:
    pipe = Pipe(stack.facts["kafka_brokers"])
    await pipe.make()
    yield pipe
    await pipe.remove()


async def test_what_is_written_from_now_on_is_told_and_nothing_from_before(pipe: Pipe) -> None:
    await pipe.produce(range(10))
    async with pipe.heard() as ear:
        await ear.missed_times(1)
        await pipe.produce(range(10, 40))
        await ear.has(range(10, 40))
        assert ear.missed == 1


async def test_everybody_who_tails_is_told_everything(pipe: Pipe) -> None:
    async with pipe.heard() as one, pipe.heard() as other:
        await one.missed_times(1)
        await other.missed_times(1)
        await pipe.produce(range(20))
        await one.has(range(20))
        await other.has(range(20))


async def test_a_partition_is_told_in_its_order(pipe: Pipe) -> None:
    numbers = range(0, 3_000, PARTITIONS)
    async with pipe.heard() as ear:
        await ear.missed_times(1)
        await pipe.produce(numbers)
        await ear.has(numbers)
        assert ear.numbers == list(numbers)


async def test_a_topic_that_is_not_there_yet_is_waited_for(stack: LocalStack) -> None:
    late = Pipe(stack.facts["kafka_brokers"])
    async with late.heard() as ear:
        await late.make()
        await ear.missed_times(1)
        await late.produce(range(10))
        await ear.has(range(10))
    await late.remove()
