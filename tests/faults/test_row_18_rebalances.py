"""Row 18: a storm of rebalances: somebody joins ClickHouse's consumer group and leaves it, again and again."""

from __future__ import annotations

import asyncio
import time

import pytest
from confluent_kafka import Consumer, TopicPartition

from nova_feed.topics import EVENTS
from tests.faults.bench import Bench

pytestmark = pytest.mark.faults
JOIN_S = 30


async def test_a_storm_of_rebalances_costs_some_lag_and_no_event(bench: Bench) -> None:
    async with bench.row(18, "rebalance storm") as line:
        times, worst = (50 if bench.full else 6), 0
        async with bench.flowing(line) as load:
            for _ in range(times):
                await asyncio.to_thread(_join_and_leave, bench.stack.facts["kafka_brokers"])
                worst = max(worst, await bench.lag())
            at = time.monotonic()
            await bench.normal(line, at)
        line.add(f"{times} joins and leaves, lag at most {worst:,} records")
        await bench.judge(line, load)


def _join_and_leave(brokers: str) -> None:
    """Be given partitions, and give them back without having committed anything."""
    given: list[TopicPartition] = []

    def assigned(_: Consumer, partitions: list[TopicPartition]) -> None:
        given.extend(partitions)

    consumer = Consumer({"bootstrap.servers": brokers, "group.id": "events_group", "enable.auto.commit": False,
                         "auto.offset.reset": "latest", "session.timeout.ms": 6_000, "log_level": 0})  # fmt: skip
    try:
        consumer.subscribe([EVENTS.name], on_assign=assigned)
        until = time.monotonic() + JOIN_S
        while not given:
            consumer.poll(0.1)
            assert time.monotonic() < until, f"no partition within {JOIN_S} s"
    finally:
        consumer.close()
