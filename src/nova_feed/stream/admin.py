"""Make the topics of the one table, and refuse a cluster where one of them has another partition count."""

from __future__ import annotations

import asyncio

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from nova_feed.errors import NovaError, StoreUnavailableError
from nova_feed.topics import ALL, Topic


class TopicError(NovaError):
    """A topic exists with another shape than ours."""


async def ensure_topics(brokers: str, replication: int, topics: tuple[Topic, ...] = ALL) -> list[str]:
    """Create what is missing; return the names created. Raises TopicError, StoreUnavailableError."""
    return await asyncio.to_thread(_ensure, brokers, replication, topics)


def broker_version(brokers: str) -> str:
    """Ask the cluster who is there. Raises StoreUnavailableError when no broker answers within 2 s."""
    admin = AdminClient({"bootstrap.servers": brokers, "log_level": 0})
    try:
        present = admin.list_topics(timeout=2)
    except KafkaException as error:
        raise StoreUnavailableError("kafka", str(error.args[0].str())) from error
    return f"{len(present.brokers)} broker{'s' * (len(present.brokers) != 1)}"


def _ensure(brokers: str, replication: int, topics: tuple[Topic, ...]) -> list[str]:
    admin = AdminClient({"bootstrap.servers": brokers, "log_level": 0})
    try:
        present = admin.list_topics(timeout=10).topics
    except KafkaException as error:
        raise StoreUnavailableError("kafka", str(error.args[0].str())) from error
    for topic in topics:
        found = present.get(topic.name)
        if found is not None and len(found.partitions) != topic.partitions:
            raise TopicError(
                f"topic {topic.name} has {len(found.partitions)} partitions and must have {topic.partitions}: "
                "row versions are offsets, so a topic's partition count never changes; make a new generation instead"
            )
    missing = [topic for topic in topics if topic.name not in present]
    asked = [NewTopic(t.name, t.partitions, replication, config=t.config(replication)) for t in missing]
    for name, future in admin.create_topics(asked).items() if asked else ():
        try:
            future.result(30)
        except KafkaException as error:
            raise TopicError(f"topic {name} cannot be made: {error.args[0].str()}") from error
    return [topic.name for topic in missing]
