"""Set a consumer group back: where it goes on reading, all partitions at once."""

from __future__ import annotations

import time

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from nova_feed.errors import StoreUnavailableError


def rewind(brokers: str, group: str, topic: str, since_ms: int | None, *, deadline_s: float = 60) -> int:
    """Let ``group`` go on at the first record since ``since_ms`` (None: the oldest); return how many lie ahead of it.

    Waits for the group to be empty: offsets of a group that reads cannot be changed. Raises StoreUnavailableError.
    """
    admin = AdminClient({"bootstrap.servers": brokers, "log_level": 0})
    try:
        partitions = admin.list_topics(topic, timeout=10).topics[topic].partitions
        places = [TopicPartition(topic, number) for number in partitions]
        since: OffsetSpec = OffsetSpec.for_timestamp(0 if since_ms is None else since_ms)
        first = _offsets(admin, places, since)
        ends = _offsets(admin, places, OffsetSpec.latest())  # type: ignore[no-untyped-call]
        # A time after the newest record has no offset: nothing of that partition is read again.
        begin = {number: ends[number] if offset < 0 else offset for number, offset in first.items()}
        _set(admin, group, [TopicPartition(topic, number, offset) for number, offset in begin.items()], deadline_s)
    except KafkaException as error:
        raise StoreUnavailableError("kafka", str(error.args[0].str())) from error
    return sum(ends[number] - offset for number, offset in begin.items())


def _offsets(admin: AdminClient, places: list[TopicPartition], spec: OffsetSpec) -> dict[int, int]:
    found = admin.list_offsets(dict.fromkeys(places, spec), request_timeout=10)
    return {place.partition: future.result(10).offset for place, future in found.items()}


def _set(admin: AdminClient, group: str, places: list[TopicPartition], deadline_s: float) -> None:
    until = time.monotonic() + deadline_s
    while True:
        future = admin.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(group, places)])[group]
        try:
            failed = [p.error for p in future.result(10).topic_partitions if p.error is not None]
            if not failed:
                return
            reason = failed[0].str()
        except KafkaException as error:
            reason = error.args[0].str()
        if time.monotonic() > until:
            raise StoreUnavailableError("kafka", f"group {group} still reads after {deadline_s:.0f} s: {reason}")
        time.sleep(0.5)
