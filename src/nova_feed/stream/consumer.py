"""A consumer group of ours: records in order, at least once, to a handler that may be slow.

Offsets are stored once a batch was handled; librdkafka commits what is stored every ten seconds, when a partition is
taken away, and at the end. Rebalancing is cooperative: a member that comes or goes stops only the partitions that move.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from nova_feed.errors import StoreUnavailableError
from nova_feed.ops import metrics

log = structlog.get_logger(__name__)
MOST, WAIT_S, PATIENCE_S = 500, 0.2, 60.0
_CONFIG = {
    "partition.assignment.strategy": "cooperative-sticky",
    "enable.auto.commit": True,
    "auto.commit.interval.ms": 10_000,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "latest",
    "session.timeout.ms": 10_000,
    "queued.max.messages.kbytes": 16_384,
    "log_level": 0,
}


@dataclass(frozen=True, slots=True)
class Received:
    """One record, and where it lies. ``value`` is None for a tombstone."""

    topic: str
    partition: int
    offset: int
    value: bytes | None


Handler = Callable[[Sequence[Received]], Awaitable[None]]


class GroupConsumer:
    """A member of ``group`` that reads ``topics``. Memory is bounded: a batch is fetched when the last was handled."""

    def __init__(self, brokers: str, group: str, topics: Sequence[str], **config: str | int) -> None:
        self._config = {**_CONFIG, "bootstrap.servers": brokers, "group.id": group, **config}
        self._topics = list(topics)

    async def run(self, handle: Handler) -> None:
        """Hand batches to ``handle`` until cancelled.

        A store that is away is waited for; raises StoreUnavailableError after a minute, and the batch is read again.
        Any other failure is narrowed down to the record that causes it, which is passed over, counted and logged.
        """
        consumer = await asyncio.to_thread(self._subscribed)
        try:
            while True:
                batch = await _fetched(consumer)
                if batch:
                    await _handled(handle, batch)
                    _store(consumer, batch)
        finally:
            await asyncio.to_thread(consumer.close)

    def _subscribed(self) -> Consumer:
        consumer = Consumer(self._config)
        consumer.subscribe(self._topics, on_assign=self._begin)
        return consumer

    def _begin(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        """A partition that nobody of the group has read begins at its present end, and that is committed at once: what
        comes next is read even if this member dies before its first commit."""
        known = consumer.committed(places, timeout=10)
        for place in known:
            if place.offset < 0:
                first, end = consumer.get_watermark_offsets(place, timeout=10)
                place.offset = end if self._config["auto.offset.reset"] == "latest" else first
                consumer.commit(offsets=[place], asynchronous=False)
        consumer.incremental_assign(known)


async def _handled(handle: Handler, batch: Sequence[Received]) -> None:
    until = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        try:
            return await handle(batch)
        except StoreUnavailableError as error:
            log.warning("consumer.waiting", store=error.store, reason=error.reason)
            if asyncio.get_running_loop().time() > until:
                raise
            await asyncio.sleep(1)
        except Exception:
            if len(batch) > 1:
                for record in batch:
                    await _handled(handle, [record])
                return None
            [record] = batch
            metrics.RECORDS_IGNORED.labels(record.topic).inc()
            log.exception("consumer.passed_over", topic=record.topic, partition=record.partition, offset=record.offset)
            return None


async def _fetched(consumer: Consumer) -> list[Received]:
    """The next batch. A cancellation waits for the thread to be done with the consumer, which is to be closed then."""
    fetching = asyncio.ensure_future(asyncio.to_thread(_batch, consumer))
    try:
        return await asyncio.shield(fetching)
    except asyncio.CancelledError:
        await asyncio.wait({fetching})
        raise


def _batch(consumer: Consumer) -> list[Received]:
    found = []
    for message in consumer.consume(MOST, WAIT_S):
        error = message.error()
        if error is None:
            found.append(_received(message))
        else:  # the broker is away or a topic is not there yet: librdkafka goes on by itself
            log.warning("consumer.error", reason=error.str())
    return found


def _received(message: Message) -> Received:
    topic, partition, offset, value = message.topic(), message.partition(), message.offset(), message.value()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    assert value is None or isinstance(value, bytes)
    return Received(topic, partition, offset, value)


def _store(consumer: Consumer, batch: Sequence[Received]) -> None:
    newest: dict[tuple[str, int], int] = {}
    for record in batch:
        newest[record.topic, record.partition] = record.offset + 1
    for (topic, partition), offset in newest.items():
        try:
            consumer.store_offsets(offsets=[TopicPartition(topic, partition, offset)])
        except KafkaException as error:  # the partition moved to another member, which reads these records again
            log.info("consumer.moved", topic=topic, partition=partition, reason=str(error.args[0].str()))
