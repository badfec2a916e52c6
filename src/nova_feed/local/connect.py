"""Kafka Connect with Debezium's PostgreSQL connector on its class path: one distributed worker, REST on loopback."""

from __future__ import annotations

from pathlib import Path

from nova_feed.local import http, jvm
from nova_feed.local.java_parts import DEBEZIUM
from nova_feed.local.ports import LOOPBACK
from nova_feed.local.service import Command, Managed

HEAP_MIB = 400
PASSWORD_VARIABLE = "NOVA_CDC_PASSWORD"  # noqa: S105  the variable's name: the secret itself is never in a config in clear


class Connect(Managed):
    """The CDC runtime."""

    start_deadline_s = 90

    def __init__(self, home: Path, port: int, brokers: str, java: Path, class_path: str, cdc_password: str) -> None:
        self.port, self.brokers = port, brokers
        self.java, self.class_path, self._password = java, class_path, cdc_password
        url = f"http://{LOOPBACK}:{port}"
        super().__init__("connect", url, home, lambda: version(url))

    def init(self) -> None:
        super().init()
        (self.folder / "connect.properties").write_text(self._properties())
        jvm.prepare(
            self.folder,
            level="INFO",
            quiet=("org.apache.kafka.clients", "org.apache.kafka.common", "org.eclipse"),
        )

    def command(self) -> Command:
        argv = (str(self.java), *jvm.options(self.folder, HEAP_MIB, busy=False), "-cp", self.class_path,
                "org.apache.kafka.connect.cli.ConnectDistributed", str(self.folder / "connect.properties"))  # fmt: skip
        return Command(argv, {PASSWORD_VARIABLE: self._password})

    def _properties(self) -> str:
        return "\n".join(f"{key}={value}" for key, value in {
            "bootstrap.servers": self.brokers,
            "listeners": self.url,
            "rest.advertised.host.name": LOOPBACK,
            "group.id": "nova-connect",
            "session.timeout.ms": 6_000,  # a worker that was killed holds the group up for this long; 6 s is the least
            "heartbeat.interval.ms": 1_500,
            "config.storage.topic": "nova_connect_configs",
            "offset.storage.topic": "nova_connect_offsets",
            "status.storage.topic": "nova_connect_status",
            "config.storage.replication.factor": -1,  # as many copies as the cluster makes by default
            "offset.storage.replication.factor": -1,
            "offset.storage.partitions": 2,
            "status.storage.replication.factor": -1,
            "status.storage.partitions": 2,
            "offset.flush.interval.ms": 1000,
            "scheduled.rebalance.max.delay.ms": 0,  # one worker: nobody to wait for
            "plugin.discovery": "service_load",
            "key.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "config.providers": "env",
            "config.providers.env.class": "org.apache.kafka.common.config.provider.EnvVarConfigProvider",
            "config.providers.env.param.allowlist.pattern": PASSWORD_VARIABLE,
        }.items()) + "\n"  # fmt: skip


async def version(url: str) -> str:
    """Ask a Connect worker for its version. Raises httpx.HTTPError."""
    async with http.client(3) as client:
        answer = (await client.get(url)).raise_for_status().json()
        # The root answers before the herder has joined its group; the list of connectors does not.
        (await client.get(f"{url}/connectors")).raise_for_status()
    return f"{answer['version']}, Debezium {DEBEZIUM}"
