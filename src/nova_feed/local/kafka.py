"""A Kafka broker in KRaft mode, from jars by Maven coordinates, on a small heap: alone, or one of three."""

from __future__ import annotations

import asyncio
import subprocess
from functools import partial
from pathlib import Path

from confluent_kafka.admin import AdminClient

from nova_feed.local import jvm
from nova_feed.local.cluster import Cluster, Node
from nova_feed.local.java_parts import KAFKA
from nova_feed.local.ports import LOOPBACK
from nova_feed.local.service import Command, Managed, ServiceError

HEAP_MIB = {1: 400, 3: 256}  # of each broker, by how many there are


class Kafka(Managed):
    """The log, or one of its copies. Broker and controller in one process, loopback only."""

    start_deadline_s = 90

    def __init__(self, home: Path, node: Node, cluster: Cluster, java: Path, class_path: str) -> None:
        self.node, self.cluster = node, cluster
        self.java, self.class_path = java, class_path
        super().__init__(node.name, node.url, home, partial(version, node.url, KAFKA))

    def init(self) -> None:
        super().init()
        (self.folder / "server.properties").write_text(self.properties())
        jvm.prepare(self.folder, level="WARN")
        if not (self.folder / "data" / "formatted").exists():
            self._format()
            (self.folder / "data" / "formatted").touch()

    def _format(self) -> None:
        argv = (*self._java(), "kafka.tools.StorageTool", "format", "--ignore-formatted",
                "-t", self.cluster.id, "-c", str(self.folder / "server.properties"))  # fmt: skip
        done = subprocess.run(argv, capture_output=True, text=True, timeout=90, check=False)
        if done.returncode != 0:
            raise ServiceError(f"kafka-storage format failed: {done.stderr.strip() or done.stdout.strip()}")

    def command(self) -> Command:
        return Command((*self._java(), "kafka.Kafka", str(self.folder / "server.properties")))

    def _java(self) -> tuple[str, ...]:
        return (
            str(self.java),
            *jvm.options(self.folder, HEAP_MIB[self.cluster.copies], busy=self.cluster.copies == 1),
            "-cp",
            self.class_path,
        )

    def properties(self) -> str:
        """Its configuration file."""
        copies, controller = self.cluster.copies, self.node.controller_port
        in_sync = min(2, copies)  # of three, one may be away
        return "\n".join(f"{key}={value}" for key, value in {
            "process.roles": "broker,controller",
            "node.id": self.node.number,
            "controller.quorum.voters": ",".join(
                f"{node.number}@{LOOPBACK}:{node.controller_port}" for node in self.cluster.nodes
            ),
            "listeners": f"BROKER://{self.url},CONTROLLER://{LOOPBACK}:{controller}",
            "advertised.listeners": f"BROKER://{self.url}",
            "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "BROKER",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            "default.replication.factor": copies,  # which is what Connect asks for, too
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": in_sync,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": in_sync,
            # A broker that was killed counts as there for this long: it leads its partitions, and cannot come back.
            # (One alone has nobody who could take over; fenced on a busy machine, it would only be away.)
            **({"broker.session.timeout.ms": 4_000, "broker.heartbeat.interval.ms": 1_000} if copies > 1 else {}),
            "group.initial.rebalance.delay.ms": 0,  # saves 3 s at every start
            "log.cleaner.dedupe.buffer.size": 16_777_216,
            "log.segment.bytes": 67_108_864,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "message.max.bytes": 8_388_608,
            "replica.fetch.max.bytes": 8_388_608,
        }.items()) + "\n"  # fmt: skip


async def version(brokers: str, known: str = "cluster") -> str:
    """``known``, once a broker has answered, which tells nobody its version. Raises KafkaException after 3 s."""

    def ask() -> str:
        admin = AdminClient({"bootstrap.servers": brokers, "log_level": 0, "socket.connection.setup.timeout.ms": 3000})
        admin.list_topics(timeout=3)
        return known

    return await asyncio.to_thread(ask)
