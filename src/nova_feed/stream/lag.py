"""How far a consumer group is behind the end of its topics."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from nova_feed.errors import StoreUnavailableError


class LagReader:
    """Asks a cluster for the lag of its groups; one connection for as long as it lives."""

    def __init__(self, brokers: str) -> None:
        self._admin = AdminClient({"bootstrap.servers": brokers, "log_level": 0})

    def read(self, group: str, timeout_s: float = 5) -> Mapping[str, int]:
        """topic -> records between what ``group`` committed and the end, over the partitions it has committed.

        A group that has committed nothing has no topics. Raises StoreUnavailableError.
        """
        try:
            asked = self._admin.list_consumer_group_offsets(
                [ConsumerGroupTopicPartitions(group)], request_timeout=timeout_s
            )
            committed = asked[group].result(timeout_s).topic_partitions
            if not committed:
                return {}
            ends = self._admin.list_offsets(
                {TopicPartition(p.topic, p.partition): OffsetSpec.latest() for p in committed},
                request_timeout=timeout_s,
            )
            newest = {(p.topic, p.partition): future.result(timeout_s).offset for p, future in ends.items()}
        except KafkaException as error:
            raise StoreUnavailableError("kafka", str(error.args[0].str())) from error
        except TimeoutError as error:
            raise StoreUnavailableError("kafka", f"no answer within {timeout_s} s") from error
        behind: Counter[str] = Counter()
        for p in committed:
            behind[p.topic] += newest[(p.topic, p.partition)] - max(0, p.offset)
        return behind


def group_lag(brokers: str, group: str, timeout_s: float = 5) -> int:
    """Records between what ``group`` committed and the end, over all its topics. Raises StoreUnavailableError."""
    return sum(LagReader(brokers).read(group, timeout_s).values())
