"""Records that no view could read go on to a dead-letter topic, with where they came from: for whoever mends them."""

from __future__ import annotations

import asyncio
import base64

import structlog

from nova_feed.errors import StoreUnavailableError
from nova_feed.ops import metrics
from nova_feed.store.client import Store
from nova_feed.stream.producer import EventProducer, Record
from nova_feed.topics import CDC_DEAD, EVENTS, EVENTS_DEAD

log = structlog.get_logger(__name__)
KEPT_BYTES = 65_536  # ClickHouse keeps so much of a bad record
MOST = 500  # a round: a flood of bad records may not become a second flood
_SENT = "INSERT INTO bad_rows_sent (topic, partition, offset) VALUES {}"


class DeadLetters:
    """Forwards bad rows, each once: what was acknowledged is noted in ClickHouse, and not sent again."""

    def __init__(self, store: Store, producer: EventProducer) -> None:
        self._store, self._producer = store, producer

    async def run(self, every_s: float = 5.0) -> None:
        """Forward until cancelled; a server that is away is waited for."""
        while True:
            try:
                await self.step()
            except StoreUnavailableError as error:
                log.warning("dead_letters.waiting", store=error.store, reason=error.reason)
            await asyncio.sleep(every_s)

    async def step(self) -> int:
        """One round: returns how many were forwarded. Raises StoreUnavailableError."""
        metrics.BAD_ROWS.set(int((await self._store.select("bad_rows"))["n"][0]))
        rows = await self._store.select("dead_letters", most=MOST)
        places = list(zip(rows["topic"].tolist(), rows["partition"].tolist(), rows["offset"].tolist(), strict=True))
        if not places:
            return 0
        letters: dict[str, list[tuple[str, Record]]] = {}
        for (topic, partition, offset), raw in zip(places, rows["raw"].tolist(), strict=True):
            value = base64.b64decode(raw)
            headers = (("topic", topic), ("partition", str(partition)), ("offset", str(offset)),
                       ("cut", str(len(value) >= KEPT_BYTES).lower()))  # fmt: skip
            dead = EVENTS_DEAD if topic == EVENTS.name else CDC_DEAD
            letter = (f"('{topic}', {partition}, {offset})", Record(topic.encode(), value, headers))
            letters.setdefault(dead.name, []).append(letter)
        for topic, group in letters.items():
            await self._send(topic, [record for _, record in group])
            await self._store.command(_SENT.format(", ".join(place for place, _ in group)))
        log.warning("dead_letters.forwarded", records=len(places))
        return len(places)

    async def _send(self, topic: str, records: list[Record]) -> None:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bool] = loop.create_future()

        def done(good: bool) -> None:
            loop.call_soon_threadsafe(answer.set_result, good)

        self._producer.send(topic, records, done)
        if not await answer:
            raise StoreUnavailableError("kafka", f"{topic} did not take all records")
