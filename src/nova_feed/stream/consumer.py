"""A consumer group of our own: batches of records for an async handler, at least once.

A thread polls, so that a slow handler never costs the membership; the handler runs on the event loop, one batch after
the other. Offsets are committed every 10 s, when partitions are revoked, and at the end, and name nothing that is not
done: a record is handled again after a crash, so handlers are idempotent. Rebalancing is cooperative: what a member
keeps, it goes on reading.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from nova_feed.errors import StoreUnavailableError
from nova_feed.ops import metrics
from nova_feed.stream.producer import TRACEPARENT
from nova_feed.stream.progress import Claim, Place, Progress

log = structlog.get_logger(__name__)
COMMIT_EVERY_S = 10.0
BATCH = 500
MOST_WAITING = 2_000  # records handed over and not done; past it partitions are paused, until half of them are done
REVOKE_WAIT_S = 2.0  # how long a revocation waits for the batch under way, so that the next holder need not repeat it
LONGEST_PAUSE_S = 5.0
_CONFIG = {
    "partition.assignment.strategy": "cooperative-sticky",
    "enable.auto.commit": False,
    "enable.auto.offset.store": False,
    "auto.offset.reset": "earliest",  # of an offset that is out of range: rather twice than not at all
    "session.timeout.ms": 10_000,
    "heartbeat.interval.ms": 1_000,
    "fetch.wait.max.ms": 100,
    "queued.max.messages.kbytes": 8_192,  # what librdkafka fetches ahead, per partition at the most
    "log_level": 0,
}


@dataclass(frozen=True, slots=True)
class Received:
    """One record, and where it lies. ``value`` is None for a tombstone; ``trace``: its ``traceparent``, if any."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    trace: str | None = None


Handler = Callable[[Sequence[Received]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Batch:
    """Records of one poll with the hold each came under, in the order read."""

    records: list[tuple[Received, Claim]]


class GroupConsumer:
    """A member of ``group``.

    The handler gets records in their partitions' order. When it raises StoreUnavailableError the batch is handed over
    again, with growing pauses, and the partitions are paused as long as it takes. After any other failure it is handed
    over in halves, and the record that fails alone is counted, logged and passed by. A group without committed
    offsets starts at the end of its topics (``from_start``: at their beginning).
    """

    def __init__(
        self, brokers: str, group: str, topics: Sequence[str], *,
        from_start: bool = False, commit_every_s: float = COMMIT_EVERY_S, most_waiting: int = MOST_WAITING,
    ) -> None:  # fmt: skip
        self._config = {**_CONFIG, "bootstrap.servers": brokers, "group.id": group, "client.id": "nova"}
        self._group, self._topics = group, list(topics)
        self._from_start, self._commit_every_s, self._most_waiting = from_start, commit_every_s, most_waiting
        self._progress = Progress()
        self._changed = threading.Condition()
        self._waiting = 0
        self._busy: frozenset[Place] = frozenset()
        self._paused = False
        self._stopping = threading.Event()

    @property
    def waiting(self) -> int:
        """Records handed over and not done."""
        return self._waiting

    @property
    def paused(self) -> bool:
        """Whether so many wait that nothing more is read."""
        return self._paused

    async def run(self, handle: Handler) -> None:
        """Hand batches to ``handle`` until cancelled; then what is done is committed and the group is left.

        Raises KafkaException when the client cannot go on.
        """
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[_Batch | BaseException] = asyncio.Queue()  # bounded by ``most_waiting``
        self._progress, self._waiting, self._busy, self._paused = Progress(), 0, frozenset(), False
        self._stopping.clear()

        def hand_over(item: _Batch | BaseException) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, item)

        thread = threading.Thread(target=self._poll, args=(hand_over,), name=f"kafka-{self._group}", daemon=True)
        thread.start()
        try:
            while True:
                item = await queue.get()
                if isinstance(item, BaseException):
                    raise item
                await self._take(handle, item)
        finally:
            self._stopping.set()
            await asyncio.to_thread(thread.join)

    # On the event loop.

    async def _take(self, handle: Handler, batch: _Batch) -> None:
        """Handle what of a batch is still ours; then it is done."""
        with self._changed:
            mine = [(record, claim) for record, claim in batch.records if claim.held]
            self._busy = frozenset(claim.place for _, claim in mine)
        try:
            if mine:
                await self._insist(handle, [record for record, _ in mine])
            with self._changed:
                for record, claim in mine:
                    self._progress.finish(claim, record.offset + 1)
        finally:
            with self._changed:
                self._busy = frozenset()
                self._waiting -= len(batch.records)
                self._changed.notify_all()

    async def _insist(self, handle: Handler, records: Sequence[Received]) -> None:
        pause_s = 0.1
        while True:
            try:
                await handle(records)
                return
            except StoreUnavailableError as error:
                log.warning("consumer.waiting", group=self._group, store=error.store, reason=error.reason)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            except Exception as error:  # noqa: BLE001  a record that nobody can handle must not stop those behind it
                if len(records) == 1:
                    self._pass_by(records[0], error)
                    return
                half = len(records) // 2
                await self._insist(handle, records[:half])
                await self._insist(handle, records[half:])
                return

    def _pass_by(self, record: Received, error: Exception) -> None:
        metrics.RECORDS_IGNORED.labels(record.topic).inc()
        log.error(
            "consumer.passed_over", group=self._group, topic=record.topic, partition=record.partition,
            offset=record.offset, error=f"{type(error).__name__}: {error}"[:300],
        )  # fmt: skip

    # On the polling thread.

    def _poll(self, hand_over: Callable[[_Batch | BaseException], None]) -> None:
        try:
            consumer = Consumer({**self._config, "on_commit": self._on_commit})
            try:
                consumer.subscribe(
                    self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
                )
                self._read(consumer, hand_over)
            finally:
                consumer.close()  # revokes, and so commits what is done
        except Exception as error:  # noqa: BLE001  the edge of the thread: ``run`` raises it
            hand_over(error)

    def _read(self, consumer: Consumer, hand_over: Callable[[_Batch], None]) -> None:
        commit_at = time.monotonic() + self._commit_every_s
        while not self._stopping.is_set():
            self._press(consumer)
            batch = self._batch(consumer.consume(BATCH, timeout=0.1))
            if batch.records:
                with self._changed:
                    self._waiting += len(batch.records)
                hand_over(batch)
            if time.monotonic() >= commit_at:
                commit_at = time.monotonic() + self._commit_every_s
                with self._changed:
                    offsets = self._progress.to_commit()
                if offsets:
                    consumer.commit(offsets=_places(offsets), asynchronous=True)

    def _press(self, consumer: Consumer) -> None:
        """Pause while too much waits, resume when half of it is done."""
        with self._changed:
            waiting = self._waiting
        if not self._paused and waiting >= self._most_waiting:
            self._paused = True
            consumer.pause(consumer.assignment())
        elif self._paused and waiting <= self._most_waiting // 2:
            self._paused = False
            consumer.resume(consumer.assignment())

    def _batch(self, messages: Sequence[Message]) -> _Batch:
        found: list[tuple[Received, Claim]] = []
        for message in messages:
            error = message.error()
            if error is not None:
                if error.fatal():
                    raise KafkaException(error)
                # Brokers that come and go, a topic that is not there yet: the client tries again by itself.
                log.info("consumer.told", group=self._group, error=error.str())
                continue
            record = received(message)
            with self._changed:
                claim = self._progress.claim((record.topic, record.partition))
            if claim is not None:
                found.append((record, claim))
                metrics.RECORDS_CONSUMED.labels(self._group, record.topic).inc()
        return _Batch(found)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        starts = _starts(consumer, partitions, from_start=self._from_start)
        consumer.incremental_assign(
            [TopicPartition(p.topic, p.partition, starts.get((p.topic, p.partition), p.offset)) for p in partitions]
        )
        if self._paused:
            consumer.pause(partitions)
        with self._changed:
            for p in partitions:
                # A start that nobody committed is committed even if no record comes: else a restart would skip some.
                self._progress.assign((p.topic, p.partition), starts.get((p.topic, p.partition)))

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        places = {(p.topic, p.partition) for p in partitions}
        with self._changed:
            self._changed.wait_for(lambda: not (self._busy & places) or self._stopping.is_set(), REVOKE_WAIT_S)
            offsets = self._progress.revoke(places)
        self._commit(consumer, offsets)
        consumer.incremental_unassign(partitions)

    def _on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """The group went on without us: somebody else holds them already, so nothing is committed."""
        log.warning("consumer.lost", group=self._group, partitions=len(partitions))
        with self._changed:
            self._progress.revoke([(p.topic, p.partition) for p in partitions])
        consumer.incremental_unassign(partitions)

    def _commit(self, consumer: Consumer, offsets: dict[Place, int]) -> None:
        """Commit and wait. What fails is read again by whoever holds the partition next."""
        if not offsets:
            return
        try:
            consumer.commit(offsets=_places(offsets), asynchronous=False)
        except KafkaException as error:
            log.warning("consumer.not_committed", group=self._group, error=error.args[0].str())

    def _on_commit(self, error: KafkaError | None, partitions: list[TopicPartition]) -> None:
        for p in partitions:
            if error is None and p.error is None:
                with self._changed:
                    self._progress.committed((p.topic, p.partition), p.offset)
            else:
                reason = p.error if error is None else error
                log.warning("consumer.not_committed", group=self._group, topic=p.topic, error=str(reason))


def _starts(consumer: Consumer, partitions: list[TopicPartition], *, from_start: bool) -> dict[Place, int]:
    """Where to start partitions of which the group has committed nothing. Empty when the broker does not say."""
    try:
        known = consumer.committed(partitions, timeout=10)
        new = [p for p in known if p.offset < 0]
        ends = [consumer.get_watermark_offsets(p, timeout=10) for p in new]
    except KafkaException as error:
        log.warning("consumer.starts_unknown", error=error.args[0].str())
        return {}
    return {(p.topic, p.partition): low if from_start else high for p, (low, high) in zip(new, ends, strict=True)}


def _places(offsets: dict[Place, int]) -> list[TopicPartition]:
    return [TopicPartition(topic, partition, offset) for (topic, partition), offset in offsets.items()]


def received(message: Message) -> Received:
    """What there is of a message that is no error."""
    topic, partition, offset, value = message.topic(), message.partition(), message.offset(), message.value()
    assert topic is not None
    assert partition is not None
    assert offset is not None
    assert value is None or isinstance(value, bytes)
    return Received(topic, partition, offset, value, _trace(message))


def _trace(message: Message) -> str | None:
    """The header ``traceparent``; None for what cannot be one."""
    headers = message.headers() or ()
    for name, value in headers.items() if isinstance(headers, dict) else headers:
        if name == TRACEPARENT and isinstance(value, bytes) and len(value) <= 64 and value.isascii():
            return value.decode()
    return None
