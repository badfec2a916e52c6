"""One Kafka broker in KRaft mode, from jars by Maven coordinates, on a small heap."""

from __future__ import annotations

import asyncio
import base64
import subprocess
import uuid
from pathlib import Path

from confluent_kafka.admin import AdminClient

from nova_feed.local.java_parts import KAFKA
from nova_feed.local.ports import LOOPBACK
from nova_feed.local.service import Command, Managed, ServiceError

JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xss512k", "-Djava.awt.headless=true")
HEAP = "-Xmx400m"
_LOG4J = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="WARN"><Appenders><Console name="out" target="SYSTEM_OUT">
<PatternLayout pattern="%d{{ISO8601}} %-5p %c{{1}} %m%n"/></Console></Appenders>
<Loggers>{quiet}<Root level="{level}"><AppenderRef ref="out"/></Root></Loggers></Configuration>
"""


class Kafka(Managed):
    """The log. Broker and controller in one process, loopback only."""

    start_deadline_s = 90

    def __init__(self, home: Path, port: int, controller_port: int, java: Path, class_path: str) -> None:
        self.port, self.controller_port = port, controller_port
        self.java, self.class_path = java, class_path
        url = f"{LOOPBACK}:{port}"
        super().__init__("kafka", url, home, lambda: version(url))

    def init(self) -> None:
        super().init()
        (self.folder / "server.properties").write_text(self._properties())
        write_log4j(self.folder, level="WARN")
        if not (self.folder / "data" / "formatted").exists():
            self._format()
            (self.folder / "data" / "formatted").touch()

    def _format(self) -> None:
        argv = (*self._java(), "kafka.tools.StorageTool", "format", "--ignore-formatted",
                "-t", cluster_id(), "-c", str(self.folder / "server.properties"))  # fmt: skip
        done = subprocess.run(argv, capture_output=True, text=True, timeout=90, check=False)
        if done.returncode != 0:
            raise ServiceError(f"kafka-storage format failed: {done.stderr.strip() or done.stdout.strip()}")

    def command(self) -> Command:
        return Command((*self._java(), "kafka.Kafka", str(self.folder / "server.properties")))

    def _java(self) -> tuple[str, ...]:
        return (str(self.java), *JVM, HEAP, *log4j_option(self.folder), "-cp", self.class_path)

    def _properties(self) -> str:
        return "\n".join(f"{key}={value}" for key, value in {
            "process.roles": "broker,controller",
            "node.id": 1,
            "controller.quorum.voters": f"1@{LOOPBACK}:{self.controller_port}",
            "listeners": f"BROKER://{LOOPBACK}:{self.port},CONTROLLER://{LOOPBACK}:{self.controller_port}",
            "advertised.listeners": f"BROKER://{LOOPBACK}:{self.port}",
            "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "BROKER",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": self.folder / "data",
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": 1,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": 1,
            "transaction.state.log.min.isr": 1,
            "transaction.state.log.num.partitions": 4,
            "share.coordinator.state.topic.replication.factor": 1,
            "share.coordinator.state.topic.min.isr": 1,
            "group.initial.rebalance.delay.ms": 0,  # saves 3 s at every start
            "log.cleaner.dedupe.buffer.size": 16_777_216,
            "log.segment.bytes": 67_108_864,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "message.max.bytes": 8_388_608,
            "replica.fetch.max.bytes": 8_388_608,
        }.items()) + "\n"  # fmt: skip


def cluster_id() -> str:
    """A random id, 16 bytes as base64url; none that starts with a dash, which the tool takes for an option."""
    while (made := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        continue
    return made


def write_log4j(folder: Path, level: str, quiet: tuple[str, ...] = ()) -> None:
    """Write the log4j2 file both Java servers use."""
    loggers = "".join(f'<Logger name="{name}" level="ERROR"/>' for name in quiet)
    (folder / "log4j2.xml").write_text(_LOG4J.format(level=level, quiet=loggers))


def log4j_option(folder: Path) -> tuple[str, ...]:
    """The JVM option that names that file."""
    return (f"-Dlog4j2.configurationFile={folder / 'log4j2.xml'}",)


async def version(brokers: str) -> str:
    """Ask the cluster for its brokers. Raises KafkaException when none answers within 3 s."""

    def ask() -> str:
        admin = AdminClient({"bootstrap.servers": brokers, "log_level": 0, "socket.connection.setup.timeout.ms": 3000})
        return f"{KAFKA if len(admin.list_topics(timeout=3).brokers) == 1 else 'cluster'}"

    return await asyncio.to_thread(ask)
