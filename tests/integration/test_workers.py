"""The worker's jobs on real servers: what makes lists out of date, dead letters, the canary, the gauges."""

from __future__ import annotations

import asyncio
import json
import uuid
from typing import Any

import httpx
import pytest
import redis.asyncio as redis
from confluent_kafka import Consumer, Producer
from prometheus_client.parser import text_string_to_metric_families

from nova_feed.cache.keys import FEED
from nova_feed.feed.posts import Posts, counted
from nova_feed.ranking import TRENDING_REACH, Source
from nova_feed.store.client import Store
from nova_feed.topics import CDC_DEAD, EVENTS, EVENTS_DEAD
from tests.app import App
from tests.reader import ReaderOf
from tests.stack import LocalStack
from tests.waiting import eventually

pytestmark = pytest.mark.integration


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
    assert {headers["reason"] for headers in found.values()} == {b"not JSON"}
    assert all(headers["offset"].isdigit() and headers["partition"].isdigit() for headers in found.values())


async def test_the_feeds_of_active_viewers_are_kept_ranked(stack: LocalStack, app: App, reader: ReaderOf) -> None:
    viewer = reader(await app.person())
    posts = [post["post_id"] for post in (await viewer.page(limit=20))["posts"]]
    answer = await viewer.send(*({"event_id": f"warm-{post}", "post_id": post, "action": "view"} for post in posts))
    assert answer.json()["accepted"] == 20
    async with redis.Redis.from_url(stack.facts["redis_url"]) as valkey:
        await valkey.delete(FEED.of(viewer.user_id))

        async def ranked() -> bool:
            return bool(await valkey.exists(FEED.of(viewer.user_id)))

        await eventually(ranked, 90)


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


async def test_what_trends_of_all_posts_in_a_process_is_what_clickhouse_says_trends(clickhouse: Store) -> None:
    async def told() -> tuple[list[list[int]], list[list[int]]]:
        posts = Posts.of(await clickhouse.select("hot_posts", authors=[]), Source.FOLLOWEE, whole=True)
        asked = counted(await clickhouse.select("trending"), Source.TRENDING)
        return posts.trending(TRENDING_REACH.rows).table.tolist(), asked.table.tolist()

    async def alike() -> bool:  # the table may be rebuilt between two questions
        here, there = await told()
        return here == there and len(here) > 100

    await eventually(alike, 20)


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
        groups = {labels.partition(",")[0] for name, labels in names if name == "kafka_consumer_lag"}
        topics = {labels.partition(",")[2] for name, labels in names if name == "kafka_consumer_lag"}
        return (
            groups == {"nova_cdc", "events_group", "recent_group", "nova_relations"}
            and {"events", "cdc.posts", "cdc.follows"} <= topics
            and ("outbox_pending_events", "") in names
        )

    await eventually(told, 30)
