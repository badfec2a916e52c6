"""An API of a test's own beside the shared stack's: the same stores, other settings."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from nova_feed.local.ports import free_port
from nova_feed.settings import Settings, env_name
from tests.stack import LocalStack

_SETTINGS = frozenset(env_name(field) for field in Settings.model_fields)
START_S = 30


def environment_of(stack: LocalStack) -> dict[str, str]:
    """What a process of ours must be told to use the stack's stores and keys; everything else is as by default."""
    facts = stack.facts
    kept = json.loads((stack.home / "secrets.json").read_text())
    inherited = {name: value for name, value in os.environ.items() if name not in _SETTINGS}
    return inherited | {
        "POSTGRES_URL": facts["postgres_url"], "CLICKHOUSE_URL": facts["clickhouse_url"],
        "KAFKA_BROKERS": facts["kafka_brokers"], "REDIS_URL": facts["redis_url"],
        "NOVA_CONNECT_URL": facts["connect_url"], "NOVA_JWT_SECRET": kept["jwt"], "NOVA_CURSOR_SECRET": kept["cursor"],
    }  # fmt: skip


@contextmanager
def own_api(stack: LocalStack, log: Path | None = None, **changes: str) -> Iterator[str]:
    """``nova api`` with these settings ("": not set); its URL. Its log goes to ``log``."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="nova-test-") as folder:
        metrics = Path(folder) / "metrics"
        metrics.mkdir()
        log = log or Path(folder) / "log"
        given = {"HTTP_PORT": str(port), "PROMETHEUS_MULTIPROC_DIR": str(metrics), **changes}
        environment = {name: value for name, value in (environment_of(stack) | given).items() if value}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "nova_feed.cli", "api"], env=environment, stdout=output, stderr=output
            )
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process, log)
            yield url
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + START_S
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        try:
            if httpx.get(f"{url}/health/live", timeout=1).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.1)
