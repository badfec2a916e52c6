"""Records that no view could read go on to a dead-letter topic, with where they came from: for whoever mends them."""

from __future__ import annotations

import asyncio
import base64
from collections import Counter, deque

import msgspec
import structlog

from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.ops import metrics
from nova_feed.store.client import Store
from nova_feed.stream.producer import EventProducer, Record
from nova_feed.topics import CDC, CDC_DEAD, EVENTS, EVENTS_DEAD

log = structlog.get_logger(__name__)
KEPT_BYTES = 65_536  # ClickHouse keeps so much of a bad record
# A flood of bad records may not become a second flood: what is over waits in ClickHouse for its turn.
MOST, MOST_PER_MINUTE = 100, 600
_SENT = "INSERT INTO bad_rows_sent (topic, partition, offset) VALUES {}"


class DeadLetters:
    """Forwards bad rows, each once: what was acknowledged is noted in ClickHouse, and not sent again."""

    def __init__(self, store: Store, producer: EventProducer, clock: Clock) -> None:
        self._store, self._producer, self._clock = store, producer, clock
        self._ceiling = Ceiling(MOST_PER_MINUTE)

    async def run(self, every_s: float = 5.0) -> None:
        """Forward until cancelled; a server that is away is waited for."""
        while True:
            try:
                await self.count()
                while await self.step():
                    pass
            except StoreUnavailableError as error:
                log.warning("dead_letters.waiting", store=error.store, reason=error.reason)
            await asyncio.sleep(every_s)

    async def count(self) -> None:
        """Set the gauge of bad rows. Raises StoreUnavailableError."""
        found = await self._store.select("bad_rows")
        rows = dict(zip(found["topic"].tolist(), found["n"].tolist(), strict=True))
        for topic in {EVENTS.name, *(topic.name for topic in CDC), *rows}:
            metrics.BAD_ROWS.labels(topic).set(rows.get(topic, 0))

    async def step(self) -> int:
        """Forward some: returns how many, 0 when none is left or the minute is full. Raises StoreUnavailableError."""
        most = min(MOST, self._ceiling.room(self._clock.monotonic()))
        if not most:
            return 0
        rows = await self._store.select("dead_letters", most=most)
        places = list(zip(rows["topic"].tolist(), rows["partition"].tolist(), rows["offset"].tolist(), strict=True))
        if not places:
            return 0
        letters: dict[str, list[tuple[str, Record]]] = {}
        for (topic, partition, offset), raw in zip(places, rows["raw"].tolist(), strict=True):
            value = base64.b64decode(raw)
            headers = (("topic", topic), ("partition", str(partition)), ("offset", str(offset)),
                       ("reason", reason(value)), ("cut", str(len(value) >= KEPT_BYTES).lower()))  # fmt: skip
            dead = EVENTS_DEAD if topic == EVENTS.name else CDC_DEAD
            letter = (f"('{topic}', {partition}, {offset})", Record(topic.encode(), value, headers))
            letters.setdefault(dead.name, []).append(letter)
        for topic, group in letters.items():
            await self._send(topic, [record for _, record in group])
            await self._store.command(_SENT.format(", ".join(place for place, _ in group)))
        self._ceiling.take(self._clock.monotonic(), len(places))
        for topic, count in Counter(topic for topic, _, _ in places).items():
            metrics.DEAD_LETTERS.labels(topic).inc(count)
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


class Ceiling:
    """So many within any 60 s."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken: deque[tuple[float, int]] = deque()

    def room(self, now_s: float) -> int:
        """How many may be taken now."""
        while self._taken and self._taken[0][0] <= now_s - 60:
            self._taken.popleft()
        return max(0, self._most - sum(count for _, count in self._taken))

    def take(self, now_s: float, count: int) -> None:
        """They were taken."""
        self._taken.append((now_s, count))


def reason(raw: bytes) -> str:
    """Why no view could read a record, as far as its bytes alone tell."""
    if len(raw) >= KEPT_BYTES:
        return "too long"
    try:
        value = msgspec.json.decode(raw.decode())
    except UnicodeDecodeError:
        return "not UTF-8"
    except (msgspec.MsgspecError, RecursionError):
        return "not JSON"
    if not isinstance(value, dict):
        return "no JSON object"
    return "a field is missing, of another type, or out of range"
