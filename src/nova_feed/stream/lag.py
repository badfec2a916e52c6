"""How far a consumer group is behind the end of its topics, in records and in seconds."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec

from nova_feed.errors import StoreUnavailableError

Place = tuple[str, int]  # topic, partition


@dataclass(frozen=True, slots=True)
class Position:
    """Of one partition: the next offset a group reads, and the next one that will be written."""

    committed: int
    end: int

    @property
    def behind(self) -> int:
        """Records in between."""
        return self.end - self.committed


class LagReader:
    """Asks a cluster for the lag of its groups; one connection for as long as it answers.

    A client that got no answer is left: librdkafka goes on asking the coordinator it knew, also when that broker is
    gone and another coordinates the group, and takes most of a processor for it (confluentinc/librdkafka#3847).
    """

    def __init__(self, brokers: str) -> None:
        self._config: dict[str, str | int | float | bool] = {"bootstrap.servers": brokers, "log_level": 0}
        self._admin = AdminClient(self._config)

    def positions(self, group: str, timeout_s: float = 3) -> Mapping[Place, Position]:
        """Where ``group`` stands, by the partitions it has committed. Raises StoreUnavailableError."""
        admin = self._admin
        try:
            return _positions(admin, group, timeout_s)
        except StoreUnavailableError:
            if self._admin is admin:
                self._admin = AdminClient(self._config)
            raise

    def read(self, group: str, timeout_s: float = 3) -> Mapping[str, int]:
        """topic -> records between what ``group`` committed and the end, over the partitions it has committed.

        A group that has committed nothing has no topics. Raises StoreUnavailableError.
        """
        behind: Counter[str] = Counter()
        for (topic, _), position in self.positions(group, timeout_s).items():
            behind[topic] += position.behind
        return behind


def _positions(admin: AdminClient, group: str, timeout_s: float) -> Mapping[Place, Position]:
    try:
        asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=timeout_s)
        committed = asked[group].result(timeout_s).topic_partitions
        if not committed:
            return {}
        ends = admin.list_offsets(
            {TopicPartition(p.topic, p.partition): OffsetSpec.latest() for p in committed}, request_timeout=timeout_s
        )
        newest = {(p.topic, p.partition): future.result(timeout_s).offset for p, future in ends.items()}
    except KafkaException as error:
        raise StoreUnavailableError("kafka", str(error.args[0].str())) from error
    except TimeoutError as error:
        raise StoreUnavailableError("kafka", f"no answer within {timeout_s} s", "timeout") from error
    places = {(p.topic, p.partition): max(0, p.offset) for p in committed}
    return {place: Position(offset, newest[place]) for place, offset in places.items()}


class Ages:
    """Since when the oldest record not yet read has been there: from the ends of partitions as seen before.

    Kafka does not say; but an offset was written between the last look at which it was still past the end, and the
    first at which it was not. Good to within the time between two looks, and never more than the truth.
    """

    def __init__(self, most: int = 200) -> None:
        self._ends: dict[Place, deque[tuple[float, int]]] = {}
        self._most = most

    def seconds(self, place: Place, position: Position, now_s: float) -> float:
        """How long the group has left its next record of this partition unread; 0 when it has read all.

        ``now_s``: monotonic seconds. Each call is a look, and is remembered.
        """
        ends = self._ends.setdefault(place, deque(maxlen=self._most))
        ends.append((now_s, position.end))
        while len(ends) > 1 and ends[0][1] <= position.committed:
            ends.popleft()  # at this look the next record to be read had not been written yet
        return now_s - ends[0][0] if position.behind > 0 else 0.0


def group_lag(brokers: str, group: str, timeout_s: float = 5) -> int:
    """Records between what ``group`` committed and the end, over all its topics. Raises StoreUnavailableError."""
    return sum(LagReader(brokers).read(group, timeout_s).values())
