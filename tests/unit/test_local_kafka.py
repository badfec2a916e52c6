"""What a broker is told: of three, each is another one of the same quorum, and none is trusted with the only copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from nova_feed.local.cluster import Cluster, Node
from nova_feed.local.kafka import Kafka

NODES = tuple(Node(n, name, 9090 + n, 9190 + n) for n, name in enumerate(("kafka", "kafka-2", "kafka-3"), 1))


def properties(home: Path, node: Node, brokers: int) -> dict[str, str]:
    broker = Kafka(home, node, Cluster("id", NODES[:brokers]), Path("java"), "jars")
    return dict(line.split("=", 1) for line in broker.properties().splitlines())


@pytest.mark.parametrize(("brokers", "in_sync"), [(1, "1"), (3, "2")])
def test_every_topic_has_a_copy_on_each_broker_and_two_of_three_must_have_what_is_acknowledged(
    tmp_path: Path, brokers: int, in_sync: str
) -> None:
    for node in NODES[:brokers]:
        told = properties(tmp_path, node, brokers)
        assert {value for name, value in told.items() if name.endswith("replication.factor")} == {str(brokers)}
        assert {value for name, value in told.items() if name.endswith((".min.isr", "insync.replicas"))} == {in_sync}


def test_brokers_share_a_quorum_and_nothing_else(tmp_path: Path) -> None:
    told = [properties(tmp_path, node, 3) for node in NODES]
    assert {one["controller.quorum.voters"] for one in told} == {"1@127.0.0.1:9191,2@127.0.0.1:9192,3@127.0.0.1:9193"}
    for name in ("node.id", "listeners", "advertised.listeners", "log.dirs"):
        assert len({one[name] for one in told}) == 3, name
