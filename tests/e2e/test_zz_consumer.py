"""Our own consumer group outlives the broker it reads from."""

from __future__ import annotations

import asyncio
import os
import signal
import uuid
from collections.abc import Sequence

import pytest
from confluent_kafka import Producer

from nova_feed.stream.admin import ensure_topics
from nova_feed.stream.consumer import GroupConsumer, Received
from nova_feed.topics import Topic
from tests.stack import LocalStack
from tests.waiting import eventually

pytestmark = pytest.mark.e2e
BACK_S = 60


async def test_a_member_goes_on_reading_after_its_broker_was_killed(stack: LocalStack) -> None:
    brokers, name = stack.facts["kafka_brokers"], f"test-{uuid.uuid4().hex[:10]}"
    await ensure_topics(brokers, 1, (Topic(name, 2, 3_600_000),))
    seen: set[int] = set()

    async def handle(records: Sequence[Received]) -> None:
        seen.update(int(record.value or b"") for record in records)

    async def came(numbers: range) -> None:
        async def all_there() -> bool:
            return set(numbers) <= seen

        await eventually(all_there, BACK_S)

    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 0, "log_level": 0})
    member = asyncio.create_task(GroupConsumer(brokers, name, [name], from_start=True).run(handle))
    _produce(producer, name, range(10))
    await came(range(10))
    killed = stack.pid("kafka")
    assert isinstance(killed, int)
    os.kill(killed, signal.SIGKILL)
    _produce(producer, name, range(10, 20))

    async def is_back() -> bool:
        return stack.pid("kafka") not in {None, killed}

    await eventually(is_back, BACK_S)
    await came(range(10, 20))
    member.cancel()
    with pytest.raises(asyncio.CancelledError):
        await member
    assert await asyncio.to_thread(producer.flush, 20) == 0


def _produce(producer: Producer, topic: str, numbers: range) -> None:
    for number in numbers:
        producer.produce(topic, value=str(number))
    producer.poll(0)
