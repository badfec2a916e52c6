"""How far a consumer group is behind the end of its topics."""

from __future__ import annotations

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from nova_feed.errors import StoreUnavailableError


def group_lag(brokers: str, group: str, timeout_s: float = 5) -> int:
    """Records between what ``group`` committed and the end, over all its partitions. Raises StoreUnavailableError."""
    admin = AdminClient({"bootstrap.servers": brokers, "log_level": 0})
    try:
        asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=timeout_s)
        committed = asked[group].result(timeout_s).topic_partitions
        ends = admin.list_offsets(
            {TopicPartition(p.topic, p.partition): OffsetSpec.latest() for p in committed}, request_timeout=timeout_s
        )
        newest = {(p.topic, p.partition): future.result(timeout_s).offset for p, future in ends.items()}
    except KafkaException as error:
        raise StoreUnavailableError("kafka", str(error.args[0].str())) from error
    except TimeoutError as error:
        raise StoreUnavailableError("kafka", f"no answer within {timeout_s} s") from error
    return sum(newest[(p.topic, p.partition)] - max(0, p.offset) for p in committed)
