"""Row 19: poisoned records of every kind in every partition; what lies behind them arrives within seconds."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any, cast

import pytest
from confluent_kafka import KafkaError, Message, Producer

from nova_feed.topics import EVENTS, Topic, cdc_topic
from tests.app import App
from tests.faults import visible
from tests.faults.bench import Bench
from tests.faults.checker import judge_rows
from tests.waiting import eventually

pytestmark = pytest.mark.faults
LIKES = cdc_topic("likes")
PASS_BY_S = 10
NOW_MS = int(time.time() * 1000)
EVENT = {"seq": 2**62, "accepted_at": NOW_MS, "event_id": "poison", "event_time": NOW_MS, "user_id": 1, "post_id": 1,
         "author_id": 1, "action": "view", "dwell_ms": 0, "device": "", "app_ver": ""}  # fmt: skip
LIKE = {"id": 2**62, "post_id": 2**62, "user_id": 1, "created_at": "2026-01-01T00:00:00Z", "__deleted": "false"}


def spoiled(good: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps(good | changes).encode()


def without(good: dict[str, Any], name: str) -> bytes:
    return json.dumps({key: value for key, value in good.items() if key != name}).encode()


# What is no JSON, or not of our shape, whatever the topic.
ANYWHERE = {
    "bad JSON": b'{"id": 1, "post_id', "a blank": b" ", "no text": b"\xff\xfe\x00\xd8", "another shape": b"[[[]]]",
    "null": b"null", "a number": b"7", "900 kB of nonsense": b"x" * 900_000, "deep": b"[" * 5_000 + b"]" * 5_000,
    "future schema": b'{"schema": 9, "payload": {"after": {"id": 1}}}', "invalid UTF-8": b'{"id": "\xc3\x28"}',
    "two objects": b"{}{}", "duplicate keys": b'{"seq": "x", "seq": "y", "id": "x", "id": "y"}',
}  # fmt: skip
POISON: dict[Topic, dict[str, bytes]] = {
    EVENTS: ANYWHERE | {
        "wrong types": spoiled(EVENT, seq="one", post_id={}), "unknown action": spoiled(EVENT, action="poke"),
        "no action": without(EVENT, "action"), "no seq": without(EVENT, "seq"), "seq zero": spoiled(EVENT, seq=0),
        "negative": spoiled(EVENT, user_id=-1), "too large": spoiled(EVENT, post_id=10**30),
        "year 30000": spoiled(EVENT, event_time=884_541_340_800_000), "year 1970": spoiled(EVENT, event_time=1),
        "900 kB": spoiled(EVENT, action="x" * 900_000),
    },
    LIKES: ANYWHERE | {
        "wrong types": spoiled(LIKE, id="seven", post_id={}), "too large": spoiled(LIKE, id=10**30),
        "no moment": spoiled(LIKE, created_at="yesterday"), "no key": without(LIKE, "id"),
        "no user": without(LIKE, "user_id"), "900 kB": spoiled(LIKE, created_at="x" * 900_000),
        "unknown op": spoiled(LIKE, __deleted="maybe"),
    },
}  # fmt: skip


async def test_poison_is_kept_apart_and_what_lies_behind_it_arrives_within_seconds(bench: Bench) -> None:
    async with bench.row(19, "poisoned records of every kind") as line:
        async with bench.flowing(line) as load:
            kept = await asyncio.to_thread(_produce, bench.stack.facts["kafka_brokers"])
            at = time.monotonic()
            async with bench.connection() as sql:
                app, likers = App(sql), load.world.users[:60]
                [(post, _), *_] = load.world.posts
                for user in likers:
                    await app.like(user, post)
                likes = [row[0] for row in await sql.fetch("SELECT id FROM likes WHERE post_id = $1", post)]

            async def all_there() -> bool:
                return sorted(await visible.ids_of(bench.store, "likes", "post_id", [post])) == sorted(likes)

            await eventually(all_there, 60)
            passed_by = time.monotonic() - at
            await bench.normal(line, at)
        there = await visible.ids_of(bench.store, "likes", "post_id", [post, 2**62])
        bad = await _bad_rows(bench)
        line.add(f"{len(kept)} poisoned records, {len(kept & bad)} kept in bad_rows, passed by in {passed_by:.1f} s")
        await bench.judge(line, load, judge_rows("likes", likes, [], there))
        assert not kept - bad, f"{len(kept - bad)} of {len(kept)} are not in bad_rows: {sorted(kept - bad)[:5]}"
        assert passed_by < PASS_BY_S


async def _bad_rows(bench: Bench) -> set[tuple[str, int, int]]:
    rows = await bench.store.sql("SELECT CAST(topic AS String) AS topic, partition, offset FROM bad_rows FINAL")
    columns = (rows[name].tolist() for name in ("topic", "partition", "offset"))
    return {(str(topic), int(partition), int(offset)) for topic, partition, offset in zip(*columns, strict=True)}


def _produce(brokers: str) -> set[tuple[str, int, int]]:
    """Every kind into every partition; behind them a tombstone and an empty value, which say nothing: none is kept."""
    kept: set[tuple[str, int, int]] = set()

    def delivered(error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        kept.add((cast("str", message.topic()), cast("int", message.partition()), cast("int", message.offset())))

    producer = Producer({"bootstrap.servers": brokers, "linger.ms": 0, "log_level": 0})
    for topic, values in POISON.items():
        for partition in range(topic.partitions):
            for value in values.values():
                producer.produce(topic.name, value=value, key=b"{}", partition=partition, on_delivery=delivered)
            for nothing in (None, b""):
                producer.produce(topic.name, value=nothing, key=b"{}", partition=partition)
        assert producer.flush(30) == 0
    return kept
