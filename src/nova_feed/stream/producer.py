"""Kafka producer: idempotent, acks=all; a batch is answered for as a whole, once every record of it is acknowledged."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, Message, Producer

from nova_feed.ops import metrics

_CONFIG = {
    "acks": "all",
    "enable.idempotence": True,
    "compression.type": "lz4",
    "linger.ms": 50,
    "queue.buffering.max.messages": 100_000,
    "queue.buffering.max.kbytes": 65_536,
    "message.timeout.ms": 30_000,
    "log_level": 0,
}
TRACEPARENT = "traceparent"  # the header by which a record belongs to a trace (W3C Trace Context)


@dataclass(frozen=True, slots=True)
class Record:
    """One record: key decides the partition."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, str], ...] = ()


class EventProducer:
    """A producer with its poll thread. (``AIOProducer`` acknowledges a lone record after two seconds.)

    ``send`` never blocks; what the bounded queue does not take is refused at once.
    """

    def __init__(self, brokers: str) -> None:
        self._producer = Producer({**_CONFIG, "bootstrap.servers": brokers})
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="kafka-producer", daemon=True)
        self._thread.start()

    def send(self, topic: str, records: Sequence[Record], done: Callable[[bool], None]) -> None:
        """Queue records; ``done(all acknowledged)`` is called once, from the poll thread."""
        batch = _Batch(len(records), done, topic)
        for index, record in enumerate(records):
            try:
                self._producer.produce(
                    topic, value=record.value, key=record.key, headers=list(record.headers), on_delivery=batch.delivered
                )
            except BufferError:
                batch.refuse(len(records) - index)
                return

    def flush(self, timeout_s: float) -> int:
        """Wait for acknowledgements; returns how many records have none yet (the outbox still has them)."""
        left: int = self._producer.flush(timeout_s)
        return left

    def close(self) -> None:
        """Stop the poll thread. What is still unacknowledged stays in the outbox."""
        self._closing.set()
        self._thread.join(2)

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(0.05)


class _Batch:
    """Counts acknowledgements down; lives as long as a callback may come."""

    def __init__(self, size: int, done: Callable[[bool], None], topic: str) -> None:
        self._left, self._done, self._topic = size, done, topic
        self._size, self._failed = size, 0
        self._lock = threading.Lock()

    def delivered(self, error: KafkaError | None, _: Message) -> None:
        self._count(1, good=error is None)

    def refuse(self, count: int) -> None:
        self._count(count, good=False)

    def _count(self, count: int, *, good: bool) -> None:
        with self._lock:
            self._left -= count
            self._failed += 0 if good else count
            finished = self._left == 0
        if finished:
            metrics.RECORDS_PRODUCED.labels(self._topic, "delivered").inc(self._size - self._failed)
            metrics.RECORDS_PRODUCED.labels(self._topic, "failed").inc(self._failed)
            self._done(self._failed == 0)
