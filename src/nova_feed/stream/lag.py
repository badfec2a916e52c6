"""How far a consumer group is behind the end of its topics, in records and in seconds."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicPartition

from nova_feed.errors import StoreUnavailableError
from nova_feed.topics import ALL

_LATEST = -1  # as a time: the next offset that will be written
Place = tuple[str, int]  # topic, partition
_PLACES = tuple((topic.name, number) for topic in ALL for number in range(topic.partitions))


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
    """Asks a cluster how far groups have read our topics; one client a group, for as long as it is answered.

    A client is a consumer of the group that subscribes to nothing, and so never joins it. ``AdminClient`` asks a
    coordinator or leader that is gone without pause (confluentinc/librdkafka#3847), and when a broker says that it
    coordinates no longer, it ends the process with a segmentation fault (#5315; both open as of 2.16).
    """

    def __init__(self, brokers: str) -> None:
        self._brokers = brokers
        self._clients: dict[str, Consumer] = {}

    def positions(self, group: str, timeout_s: float = 3) -> Mapping[Place, Position]:
        """Where ``group`` stands, by the partitions it has committed. Raises StoreUnavailableError.

        ``timeout_s``: of each of two questions.
        """
        # Taken, not looked at: of two threads that ask about one group at once, the second makes a client of its own.
        client = self._clients.pop(group, None) or _client(self._brokers, group)
        try:
            found = _positions(client, timeout_s)
        except KafkaException as error:
            # A client without subscriptions does not ask again who leads a partition: the next look is a new one's.
            client.close()
            raise StoreUnavailableError("kafka", str(error.args[0].str())) from error
        self._clients[group] = client
        return found

    def read(self, group: str, timeout_s: float = 3) -> Mapping[str, int]:
        """topic -> records between what ``group`` committed and the end, over the partitions it has committed.

        A group that has committed nothing has no topics. Raises StoreUnavailableError.
        """
        behind: Counter[str] = Counter()
        for (topic, _), position in self.positions(group, timeout_s).items():
            behind[topic] += position.behind
        return behind


def _client(brokers: str, group: str) -> Consumer:
    return Consumer({"bootstrap.servers": brokers, "group.id": group, "enable.auto.commit": False, "log_level": 0})


def _positions(client: Consumer, timeout_s: float) -> Mapping[Place, Position]:
    told = client.committed([TopicPartition(*place) for place in _PLACES], timeout=timeout_s)
    committed = {(p.topic, p.partition): p.offset for p in told if p.error is None and p.offset >= 0}
    if not committed:
        return {}
    ends = client.offsets_for_times([TopicPartition(*place, _LATEST) for place in committed], timeout=timeout_s)
    for end in ends:
        if end.error is not None:
            raise KafkaException(end.error)
    return {(p.topic, p.partition): Position(committed[p.topic, p.partition], p.offset) for p in ends}


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
