"""The whole stack: which parts there are, where they are, and in which order they start and stop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from nova_feed.local import connect as connect_part
from nova_feed.local import java_parts, kafka
from nova_feed.local.app import LIMITS, App
from nova_feed.local.clickhouse_part import ClickHouse
from nova_feed.local.clickhouse_part import version as clickhouse_version
from nova_feed.local.cluster import Cluster, make
from nova_feed.local.observers import Alertmanager, Prometheus
from nova_feed.local.ports import LOOPBACK, PortBook
from nova_feed.local.postgres import Postgres
from nova_feed.local.postgres import version as postgres_version
from nova_feed.local.secrets import Secrets
from nova_feed.local.service import External, Service, until_ready
from nova_feed.local.valkey import Valkey
from nova_feed.local.valkey import version as valkey_version

Say = Callable[[str], None]
EXTERNAL = {"postgres": "POSTGRES_URL", "clickhouse": "CLICKHOUSE_URL", "kafka": "KAFKA_BROKERS", "valkey": "REDIS_URL",
            "connect": "NOVA_CONNECT_URL"}  # fmt: skip
METRICS = "metrics"


class Stack:
    """All parts below one home folder. A part whose URL is set in ``environ`` is somebody else's and only asked.

    ``brokers``: how many Kafka has when it is ours, the number that ``cluster.brokers_of`` gave. ``demo``: whether the
    app is the sample network, which the console may write for.
    """

    def __init__(
        self, home: Path, brokers: int, *,
        environ: Mapping[str, str] = os.environ, port: int | None = None, observe: bool = False, demo: bool = False,
    ) -> None:  # fmt: skip
        self.home = home.absolute()
        self.home.mkdir(parents=True, exist_ok=True)
        self.secrets = Secrets(self.home / "secrets.json")
        self.ports = PortBook(self.home / "ports.json")
        self._environ, self._demo = environ, demo
        self._api_port = self.ports.claim("api", preferred=port or 8080, exact=port is not None)
        self._admin_port = self.ports.claim("admin", preferred=8081)
        self._cluster: Cluster | None = None if self._external("kafka") else make(self.home, brokers, self.ports)
        self.servers: dict[str, Service] = {}
        self.apps: dict[str, App] = {}
        self.observers: dict[str, Service] = self._observers() if observe else {}

    def build(self, progress: java_parts.Progress) -> None:
        """Decide every part; fetches the Java parts when Kafka or Connect is ours. Raises NovaError."""
        self.servers = {
            "postgres": self._postgres(), "valkey": self._valkey(), "clickhouse": self._clickhouse(),
            **self._kafka(progress), "connect": self._connect(progress),
        }  # fmt: skip
        environment = self.environment()
        ports = {"api": self._api_port, "worker": self._admin_port}
        self.apps = {
            name: App(name, f"http://{LOOPBACK}:{port}", self.home, {**environment, **self._metrics(name)})
            for name, port in ports.items()
        }

    @property
    def brokers(self) -> dict[str, str]:
        """Of Kafka, each process by name, and where it is; all brokers of somebody else's are one part."""
        if self._cluster is None:
            return {"kafka": self._external("kafka") or ""}
        return {node.name: node.url for node in self._cluster.nodes}

    @property
    def parts(self) -> dict[str, Service]:
        """Every part, in the order in which they start."""
        return {**self.servers, **self.apps, **self.observers}

    async def start_servers(self, say: Say) -> dict[str, str]:
        """Start the servers, those that wait for nobody at once; return their versions. Raises ServiceError."""

        async def up(name: str, *after: asyncio.Task[str]) -> str:
            await asyncio.gather(*after)
            version = await start(self.servers[name])
            say(f"{name} {version}")
            return version

        async with asyncio.TaskGroup() as group:
            started = {name: group.create_task(up(name)) for name in self.servers if name != "connect"}
            started["connect"] = group.create_task(up("connect", *(started[name] for name in self.brokers)))
        return {name: task.result() for name, task in started.items()}

    async def start_observers(self, say: Say) -> dict[str, str]:
        """Start Prometheus and Alertmanager, if they were asked for; return their versions. Raises ServiceError."""
        found = dict(zip(self.observers, await asyncio.gather(*map(start, self.observers.values())), strict=True))
        for name, version in found.items():
            say(f"{name} {version}")
        return found

    async def stop(self) -> None:
        """Stop every part of ours, clients before servers."""
        await asyncio.gather(*(part.stop() for part in (*self.observers.values(), *self.apps.values())))
        await asyncio.gather(*(server.stop() for name, server in self.servers.items() if name == "connect"))
        await asyncio.gather(*(server.stop() for name, server in self.servers.items() if name != "connect"))

    def environment(self) -> dict[str, str]:
        """What our processes are told, as environment variables."""
        urls = {EXTERNAL[name]: server.url for name, server in self.servers.items() if name not in self.brokers}
        theirs = self._environ.get("NOVA_KAFKA_REPLICATION", "3")
        return {
            **urls, "KAFKA_BROKERS": ",".join(self.brokers.values()), **self.secrets.environment(),
            "HTTP_PORT": str(self._api_port), "NOVA_ADMIN_PORT": str(self._admin_port),
            "NOVA_LISTS_DIR": str(self.home / "lists"),
            "NOVA_KAFKA_REPLICATION": str(self._cluster.copies) if self._cluster else theirs,
            "NOVA_CANARY_URL": self._environ.get("NOVA_CANARY_URL", f"http://{LOOPBACK}:{self._api_port}"),
            "NOVA_SAMPLE_WRITES": self._environ.get("NOVA_SAMPLE_WRITES", str(self._demo).lower()),
            **{name: self._environ.get(name, most) for name, most in LIMITS.items()},
        }  # fmt: skip

    def _observers(self) -> dict[str, Service]:
        alertmanager = Alertmanager(self.home, self.ports.claim("alertmanager", preferred=9093))
        targets = {"nova-api": self._api_port, "nova-worker": self._admin_port}
        urls = {job: f"http://{LOOPBACK}:{port}" for job, port in targets.items()}
        port = self.ports.claim("prometheus", preferred=9090)
        return {"alertmanager": alertmanager, "prometheus": Prometheus(self.home, port, urls, alertmanager.url)}

    def _metrics(self, app: str) -> dict[str, str]:
        """Each app answers for its own processes: whoever reads both counts nothing twice."""
        return {"PROMETHEUS_MULTIPROC_DIR": str(self.home / METRICS / app)}

    def _external(self, name: str) -> str | None:
        return self._environ.get(EXTERNAL[name]) or None

    def _postgres(self) -> Service:
        url = self._external("postgres")
        if url:
            return External("postgres", url, lambda: postgres_version(url))
        return Postgres(self.home, self.ports.claim("postgres"))

    def _valkey(self) -> Service:
        url = self._external("valkey")
        return (
            External("valkey", url, lambda: valkey_version(url))
            if url
            else Valkey(self.home, self.ports.claim("valkey"))
        )

    def _clickhouse(self) -> Service:
        url = self._external("clickhouse")
        if url:
            return External("clickhouse", url, lambda: clickhouse_version(url))
        return ClickHouse(self.home, self.ports.claim("clickhouse"))

    def _kafka(self, progress: java_parts.Progress) -> dict[str, Service]:
        cluster = self._cluster
        if cluster is None:
            [(name, url)] = self.brokers.items()
            return {name: External(name, url, lambda: kafka.version(url))}
        java, class_path = java_parts.find_java(), java_parts.class_path(java_parts.MAVEN, progress)
        return {node.name: kafka.Kafka(self.home, node, cluster, java, class_path) for node in cluster.nodes}

    def _connect(self, progress: java_parts.Progress) -> Service:
        url = self._external("connect")
        if url:
            return External("connect", url, lambda: connect_part.version(url))
        brokers = ",".join(self.brokers.values())
        postgres = self._external("postgres") or Postgres(self.home, self.ports.claim("postgres")).url
        return connect_part.Connect(
            self.home, self.ports.claim("connect"), brokers, java_parts.find_java(),
            java_parts.class_path(java_parts.MAVEN, progress), urlsplit(postgres).password or "",
        )  # fmt: skip


async def start(service: Service) -> str:
    """Init, start and wait for one part; return its version. A part that answers already is left alone."""
    await asyncio.to_thread(service.init)
    await asyncio.to_thread(service.start)
    return await until_ready(service)
