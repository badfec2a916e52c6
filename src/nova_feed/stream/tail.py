"""What is written to topics from now on, for a process that wants all of it: no group, no history, nothing committed.

Every process that tails reads every record: for topics of few records that all processes must know of within moments.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from nova_feed.ops import metrics
from nova_feed.stream.consumer import Received, received

log = structlog.get_logger(__name__)
NAME = "nova_tail"  # of the metrics; the client asks for a group, too, and joins none
BATCH, AGAIN_S = 500, 1.0
_CONFIG = {
    "group.id": NAME,
    "enable.auto.commit": False,
    "auto.offset.reset": "error",  # records that are gone before they were read must be noticed
    "fetch.wait.max.ms": 100,
    "queued.max.messages.kbytes": 4_096,
    "log_level": 0,
}


class Tail:
    """Reads all partitions of ``topics`` from their end on."""

    def __init__(self, brokers: str, topics: Sequence[str]) -> None:
        self._config = {**_CONFIG, "bootstrap.servers": brokers, "client.id": "nova"}
        self._topics = tuple(topics)
        self._stopping = threading.Event()

    async def run(self, handle: Callable[[Sequence[Received]], None], missed: Callable[[], None]) -> None:
        """Call ``handle`` with records, in their partitions' order, until cancelled.

        ``missed`` is called before the first of them, and whenever records may have passed by unread. A broker that is
        away is waited for; then it goes on where it was.
        """
        loop = asyncio.get_running_loop()
        self._stopping.clear()

        def tell(call: Callable[[], None]) -> None:
            if not self._stopping.is_set():
                loop.call_soon_threadsafe(call)

        thread = threading.Thread(target=self._tail, args=(tell, handle, missed), name="kafka-tail", daemon=True)
        thread.start()
        try:
            await asyncio.Event().wait()
        finally:
            self._stopping.set()
            await asyncio.to_thread(thread.join, 5)

    # On the thread.

    def _tail(
        self, tell: Callable[[Callable[[], None]], None], handle: Callable[[Sequence[Received]], None],
        missed: Callable[[], None],
    ) -> None:  # fmt: skip
        while not self._stopping.is_set():
            consumer = Consumer(self._config)
            try:
                consumer.assign(self._ends(consumer))
                tell(missed)
                self._read(consumer, tell, handle)
            except KafkaException as error:
                log.warning("tail.again", reason=error.args[0].str())
                self._stopping.wait(AGAIN_S)
            finally:
                consumer.close()

    def _ends(self, consumer: Consumer) -> list[TopicPartition]:
        """The end of every partition, asked for before anything is read. Raises KafkaException."""
        known = consumer.list_topics(timeout=5).topics
        missing = [topic for topic in self._topics if topic not in known or not known[topic].partitions]
        if missing:
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART, f"no topic {', '.join(missing)}"))
        places = [TopicPartition(topic, number) for topic in self._topics for number in known[topic].partitions]
        return [
            TopicPartition(place.topic, place.partition, consumer.get_watermark_offsets(place, timeout=5)[1])
            for place in places
        ]

    def _read(
        self, consumer: Consumer, tell: Callable[[Callable[[], None]], None],
        handle: Callable[[Sequence[Received]], None],
    ) -> None:  # fmt: skip
        """Raises KafkaException when it is not known what was missed."""
        while not self._stopping.is_set():
            records = []
            for message in consumer.consume(BATCH, timeout=0.25):
                error = message.error()
                if error is None:
                    records.append(received(message))
                elif error.fatal() or error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001  so it is called
                    raise KafkaException(error)
            if records:
                for record in records:
                    metrics.RECORDS_CONSUMED.labels(NAME, record.topic).inc()
                tell(lambda found=tuple(records): handle(found))  # type: ignore[misc]
            time.sleep(0.005)  # what comes together is handed over together
