"""Prometheus and Alertmanager beside the stack (``nova up --observe``), from the system's own packages.

Prometheus reads API and worker every five seconds, with the alerts that production has; Alertmanager shows what fires,
and notifies nobody.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import nova_feed
from nova_feed.local import http
from nova_feed.local.ports import LOOPBACK
from nova_feed.local.service import Command, Managed, ServiceError
from nova_feed.local.whole import write_whole

SCRAPE_S = 5
BUILD, STATUS = "/api/v1/status/buildinfo", "/api/v2/status"  # where Prometheus and Alertmanager say their version
_PACKAGE = Path(nova_feed.__file__).parent


class Prometheus(Managed):
    """``targets``: job -> URL whose /metrics it reads."""

    start_deadline_s = 30

    def __init__(self, home: Path, port: int, targets: Mapping[str, str], alertmanager: str) -> None:
        url = f"http://{LOOPBACK}:{port}"
        super().__init__("prometheus", url, home, lambda: version(f"{url}{BUILD}"))
        self._targets, self._alertmanager = targets, alertmanager
        self._program = find("prometheus")

    def init(self) -> None:
        super().init()
        write_whole(self.folder / "prometheus.json", json.dumps(self.configuration(), indent=1))

    def configuration(self) -> dict[str, object]:
        """What deploy/prometheus/prometheus.yml is in production (JSON is YAML)."""
        return {
            "global": {"scrape_interval": f"{SCRAPE_S}s", "evaluation_interval": f"{SCRAPE_S}s"},
            "rule_files": [str(rules() / "*.yml")],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [_place(self._alertmanager)]}]}]},
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [_place(url)]}]} for job, url in self._targets.items()
            ],
        }

    def command(self) -> Command:
        options = {
            "config.file": str(self.folder / "prometheus.json"), "storage.tsdb.path": str(self.folder / "data"),
            "storage.tsdb.retention.time": "7d", "storage.tsdb.retention.size": "512MB",
            "web.listen-address": _place(self.url), "log.level": "warn",
        }  # fmt: skip
        return Command((self._program, *(f"--{name}={value}" for name, value in options.items())))


class Alertmanager(Managed):
    """Groups what fires and shows it. It is a single one: no cluster port is opened."""

    start_deadline_s = 30

    def __init__(self, home: Path, port: int) -> None:
        url = f"http://{LOOPBACK}:{port}"
        super().__init__("alertmanager", url, home, lambda: version(f"{url}{STATUS}"))
        self._program = find("prometheus-alertmanager", "alertmanager")

    def init(self) -> None:
        super().init()
        quiet = {"route": {"receiver": "nobody", "group_by": ["alertname"]}, "receivers": [{"name": "nobody"}]}
        write_whole(self.folder / "alertmanager.json", json.dumps(quiet, indent=1))

    def command(self) -> Command:
        options = {
            "config.file": str(self.folder / "alertmanager.json"), "storage.path": str(self.folder / "data"),
            "web.listen-address": _place(self.url), "cluster.listen-address": "", "log.level": "warn",
        }  # fmt: skip
        return Command((self._program, *(f"--{name}={value}" for name, value in options.items())))


def find(*names: str) -> str:
    """The first of these programs in the PATH. Raises ServiceError."""
    for name in names:
        found = shutil.which(name)
        if found:
            return found
    raise ServiceError(
        f"--observe needs {names[0]}, which is not in the PATH:"
        " `apt-get install prometheus prometheus-alertmanager`, or leave --observe out"
    )


def rules() -> Path:
    """The folder of the alerts: within the installed package, or in the checkout that this is."""
    installed = _PACKAGE / "deploy" / "prometheus" / "rules"
    return installed if installed.is_dir() else _PACKAGE.parents[1] / "deploy" / "prometheus" / "rules"


async def version(url: str) -> str:
    """Ask a Prometheus or an Alertmanager for its version. Raises httpx.HTTPError."""
    async with http.client(2) as client:
        body = (await client.get(url)).raise_for_status().json()
    found = body.get("data") or body["versionInfo"]
    return str(found["version"])


def _place(url: str) -> str:
    return urlsplit(url).netloc
