"""The real servers that the contract tests talk to."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import httpx
import pytest

from nova_feed.local.ports import free_port
from nova_feed.local.service import until_ready
from nova_feed.local.valkey import Valkey


class ClickHouseProcess:
    """The embedded ClickHouse as the product runs it: a process of its own on a free loopback port."""

    def __init__(self, data: Path, *options: str, **environment: str) -> None:
        self.data, self.options, self.environment = data, options, environment
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.data.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-m", "nova_feed.local.clickhouse", "--data", str(self.data), "--port", str(self.port)]
        with (self.data / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*argv, *self.options], stdout=log, stderr=log, env={**os.environ, **self.environment}
            )
        deadline = time.monotonic() + 30
        while not self.answers():
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()

    def answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ping", timeout=5).text == "Ok.\n"
        except httpx.TransportError:
            return False

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait(30)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(30)

    def log(self) -> str:
        return (self.data / "log").read_text()

    def post(self, body: bytes | str, headers: dict[str, str] | None = None, /, **fields: Any) -> httpx.Response:
        return httpx.post(self.url, params=fields, content=body, headers=headers, timeout=60)

    def value(self, sql: str, **fields: Any) -> str:
        return self.post(sql, **fields).raise_for_status().text.strip()


class AwaitableClient:
    """clickhouse-connect's sync client with the face of its async one, so that one test speaks for both."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._client, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await asyncio.to_thread(method, *args, **kwargs)

        return call


@pytest.fixture(scope="module")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseProcess]:
    server = ClickHouseProcess(tmp_path_factory.mktemp("clickhouse"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def own_clickhouse(tmp_path: Path) -> Iterator[Callable[..., ClickHouseProcess]]:
    """Starts servers that one test has for itself, all on one data folder."""
    started: list[ClickHouseProcess] = []

    def start(*options: str, **environment: str) -> ClickHouseProcess:
        server = ClickHouseProcess(tmp_path / "clickhouse", *options, **environment)
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="module")
async def valkey() -> AsyncIterator[Valkey]:
    with tempfile.TemporaryDirectory(prefix="nova-test-") as home:
        server = Valkey(Path(home), free_port())
        server.init()
        server.start()
        await until_ready(server)
        yield server
        await server.stop()


@pytest.fixture(params=["sync", "async"])
async def client(request: pytest.FixtureRequest, clickhouse: ClickHouseProcess) -> AsyncIterator[Any]:
    """clickhouse-connect, each of its two clients in turn."""
    options: dict[str, Any] = {"host": "127.0.0.1", "port": clickhouse.port, "autogenerate_session_id": False}
    if request.param == "sync":
        one = clickhouse_connect.get_client(**options)
        yield AwaitableClient(one)
        one.close()
    else:
        other = await clickhouse_connect.get_async_client(**options)
        yield other
        await other.close()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
