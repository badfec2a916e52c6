"""The worker's jobs on real servers: our consumer group, dead letters, the canary, the gauges."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from typing import Any

import httpx
import pytest
import redis.asyncio as redis
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from prometheus_client.parser import text_string_to_metric_families

from nova_feed.cache.keys import FEED
from nova_feed.errors import StoreUnavailableError
from nova_feed.store.client import Store
from nova_feed.stream.admin import ensure_topics
from nova_feed.stream.consumer import GroupConsumer, Received
from nova_feed.topics import CDC_DEAD, EVENTS, EVENTS_DEAD, Topic
from tests.app import App
from tests.reader import ReaderOf
from tests.stack import LocalStack
from tests.waiting import eventually

pytestmark = pytest.mark.integration
PARTITIONS = 4


class Member:
    """A member of a group, and what it handled."""

    def __init__(self, brokers: str, topic: str, group: str, **config: str | int) -> None:
        self.handled: list[Received] = []
        self.slow = asyncio.Event()
        self.slow.set()
        self._consumer = GroupConsumer(brokers, group, [topic], **{"auto.offset.reset": "earliest"} | config)
        self._running = asyncio.create_task(self._consumer.run(self._handle))

    async def _handle(self, batch: Sequence[Received]) -> None:
        await self.slow.wait()
        self.handled.extend(batch)

    async def has(self, count: int) -> None:
        async def is_so() -> bool:
            return len(self.handled) >= count

        await eventually(is_so, 30)

    @property
    def values(self) -> list[bytes | None]:
        return [record.value for record in self.handled]

    async def stop(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)


class Bench:
    """A topic and a group of a test's own."""

    def __init__(self, brokers: str) -> None:
        self.brokers, self.name = brokers, f"test-{uuid.uuid4().hex[:10]}"
        self._members: list[Member] = []
        self._producer = Producer({"bootstrap.servers": brokers})
        self._admin = AdminClient({"bootstrap.servers": brokers})

    def join(self, **config: str | int) -> Member:
        self._members.append(Member(self.brokers, self.name, self.name, **config))
        return self._members[-1]

    def produce(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._producer.produce(self.name, value=str(number).encode(), partition=number % PARTITIONS)
        assert self._producer.flush(20) == 0

    def committed(self) -> int:
        return sum(max(0, place.offset) for place in self._committed())

    def places(self) -> int:
        """Partitions with a committed offset."""
        return sum(place.offset >= 0 for place in self._committed())

    def _committed(self) -> list[TopicPartition]:
        answer = self._admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(self.name)])
        places: list[TopicPartition] = answer[self.name].result(10).topic_partitions
        return places

    async def close(self) -> None:
        await asyncio.gather(*(member.stop() for member in self._members))
        self._admin.delete_topics([self.name])[self.name].result(10)


@pytest.fixture
async def bench(stack: LocalStack) -> AsyncIterator[Bench]:
    made = Bench(stack.facts["kafka_brokers"])
    await ensure_topics(made.brokers, 1, (Topic(made.name, PARTITIONS, 3_600_000),))
    yield made
    await made.close()


async def test_a_member_that_stops_has_committed_what_it_handled_and_the_next_goes_on_there(bench: Bench) -> None:
    first = bench.join()
    bench.produce(range(100))
    await first.has(100)
    await first.stop()
    assert await asyncio.to_thread(bench.committed) == 100
    bench.produce(range(100, 140))
    second = bench.join()
    await second.has(40)
    assert sorted(int(value or b"") for value in second.values) == list(range(100, 140))


async def test_what_was_handled_is_committed_without_a_stop(bench: Bench) -> None:
    member = bench.join(**{"auto.commit.interval.ms": 200})
    bench.produce(range(50))
    await member.has(50)

    async def committed() -> bool:
        return await asyncio.to_thread(bench.committed) == 50

    await eventually(committed, 10)


async def test_a_second_member_takes_partitions_over_where_the_first_committed_on_revoke(bench: Bench) -> None:
    first = bench.join()
    bench.produce(range(400))
    await first.has(400)
    second = bench.join()
    sent = 400

    async def both_read() -> bool:
        nonlocal sent
        bench.produce(range(sent, sent + PARTITIONS))
        sent += PARTITIONS
        return len(second.handled) > 0

    await eventually(both_read, 60)

    async def all_read() -> bool:
        return len({*first.values, *second.values}) == sent

    await eventually(all_read, 30)
    # Nothing of what the first had handled before was read again by the second: it was committed when it was revoked.
    assert not set(second.values) & {str(number).encode() for number in range(400)}


async def test_a_batch_that_is_not_handled_yet_is_not_committed(bench: Bench) -> None:
    first = bench.join(**{"auto.commit.interval.ms": 100})
    first.slow.clear()
    bench.produce(range(40))
    await asyncio.sleep(0)
    await first.stop()
    assert await asyncio.to_thread(bench.committed) == 0
    second = bench.join()
    await second.has(40)


async def test_a_record_without_a_value_is_handed_on_like_any_other(bench: Bench) -> None:
    member = bench.join()
    producer = Producer({"bootstrap.servers": bench.brokers})
    producer.produce(bench.name, value=None, key=b"gone", partition=0)
    producer.produce(bench.name, value=b"\xff", partition=0)
    producer.flush(10)
    await member.has(2)
    assert member.values == [None, b"\xff"]


class Handling:
    """Handles a batch unless there is a bad record in it, or the store is away."""

    def __init__(self, bad: bytes, away: int = 0) -> None:
        self.bad, self.away, self.handled = bad, away, list[bytes | None]()

    async def __call__(self, batch: Sequence[Received]) -> None:
        if self.away:
            self.away -= 1
            raise StoreUnavailableError("valkey", "away")
        if any(record.value == self.bad for record in batch):
            raise LookupError("a bug")
        self.handled.extend(record.value for record in batch)


@pytest.mark.parametrize("away", [0, 2])
async def test_a_record_that_cannot_be_handled_is_passed_over_and_a_store_that_is_away_is_waited_for(
    bench: Bench, away: int
) -> None:
    handling = Handling(b"7", away)
    bench.produce(range(20))
    consumer = GroupConsumer(bench.brokers, bench.name, [bench.name], **{"auto.offset.reset": "earliest"})
    running = asyncio.create_task(consumer.run(handling))

    async def done() -> bool:
        return len(handling.handled) == 19

    await eventually(done, 30)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert set(handling.handled) == {str(number).encode() for number in range(20) if number != 7}
    assert await asyncio.to_thread(bench.committed) == 20


async def test_a_member_that_dies_before_its_first_commit_loses_nothing(bench: Bench) -> None:
    first = bench.join(**{"auto.offset.reset": "latest"})

    async def began() -> bool:
        return await asyncio.to_thread(bench.places) == PARTITIONS

    await eventually(began, 30)
    await first.stop()
    bench.produce(range(20))
    second = bench.join(**{"auto.offset.reset": "latest"})
    await second.has(20)


@pytest.mark.parametrize("what", ["follow", "unfollow", "block", "mute"])
async def test_a_relation_forgets_the_lists_it_changes_without_a_page_being_asked_for(
    stack: LocalStack, app: App, reader: ReaderOf, what: str
) -> None:
    author, viewer = await app.person(), reader(await app.person())
    if what == "unfollow":
        await app.follow(viewer.user_id, author)
    async with redis.Redis.from_url(stack.facts["redis_url"]) as valkey:

        async def cached() -> bool:
            return bool(await valkey.exists(FEED.of(viewer.user_id)))

        async def forgotten() -> bool:
            return not await cached()

        async def listed() -> bool:
            await viewer.page()
            return await cached()

        await eventually(listed, 10)
        await getattr(app, what)(viewer.user_id, author)
        await eventually(forgotten, 20)


async def test_bad_records_reach_a_dead_letter_topic_with_where_they_came_from(stack: LocalStack) -> None:
    brokers, mark = stack.facts["kafka_brokers"], uuid.uuid4().hex
    consumer = Consumer({"bootstrap.servers": brokers, "group.id": f"test-{mark}", "auto.offset.reset": "earliest"})
    consumer.subscribe([EVENTS_DEAD.name, CDC_DEAD.name])
    producer = Producer({"bootstrap.servers": brokers})
    sent = {f"{topic}:{mark}".encode(): topic for topic in (EVENTS.name, "cdc.users")}
    for value, topic in sent.items():
        producer.produce(topic, value=value)
    producer.flush(10)
    found: dict[bytes, dict[str, bytes]] = {}

    async def arrived() -> bool:
        for message in await asyncio.to_thread(consumer.consume, 500, 0.5):
            value = message.value()
            if isinstance(value, bytes) and value in sent:
                headers: Any = message.headers()
                found[value] = dict(headers)
        return len(found) == len(sent)

    try:
        await eventually(arrived, 40)
    finally:
        consumer.close()
    assert {value: headers["topic"].decode() for value, headers in found.items()} == sent
    assert all(headers["offset"].isdigit() and headers["partition"].isdigit() for headers in found.values())


async def metrics(stack: LocalStack) -> dict[tuple[str, str], float]:
    """name, labels -> value, as the worker tells them."""
    async with httpx.AsyncClient(timeout=5) as http:
        text = (await http.get(f"{stack.facts['admin_url']}/metrics")).raise_for_status().text
    return {
        (
            sample.name.removeprefix("nova_feed_"),
            ",".join(v for k, v in sample.labels.items() if k != "pid"),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_the_canary_sees_its_post_and_its_event_at_every_stage(stack: LocalStack, clickhouse: Store) -> None:
    async def sung() -> bool:
        told = await metrics(stack)
        return told.get(("canary_last_success_timestamp_seconds", ""), 0) > 0

    await eventually(sung, 60)
    told = await metrics(stack)
    stages = ("accept", "broker", "clickhouse", "counters", "cache", "feed", "post")
    assert all(told["event_to_visible_seconds_count", stage] >= 1 for stage in stages)
    assert (
        0 < told["canary_seconds", "accept"] <= told["canary_seconds", "clickhouse"] <= told["canary_seconds", "feed"]
    )
    trending = await clickhouse.select("trending")
    canaries = await clickhouse.sql("SELECT id FROM users FINAL WHERE startsWith(username, 'nova_canary')")
    assert len(canaries["id"]) == 2
    assert not set(trending["author_id"].tolist()) & set(canaries["id"].tolist())


async def test_the_status_shows_the_canary_and_the_outbox(stack: LocalStack) -> None:
    async def shown() -> dict[str, str] | None:
        parts = json.loads((await asyncio.to_thread(stack.nova, "status", "--json")).stdout)["parts"]
        lags = {part["part"]: part["lag"] for part in parts}
        return lags if "event in feed" in lags["worker"] else None

    lags = await eventually(shown, 60)
    assert "events to publish" in lags["kafka"]


async def test_every_queue_has_a_gauge(stack: LocalStack) -> None:
    async def told() -> bool:
        names = await metrics(stack)
        groups = {labels for name, labels in names if name == "kafka_consumer_lag"}
        return groups == {"nova_cdc", "events_group", "nova_relations"} and ("outbox_pending_events", "") in names

    await eventually(told, 30)
