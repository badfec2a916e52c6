"""Two ceilings of this machine: what the HTTP server can write, and what ClickHouse can answer.

``python ceiling.py PORT WORKERS BODY`` serves the bytes of a file, and nothing else, as `nova api` would serve them.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from nova_feed.clock import SystemClock
from nova_feed.commands import api
from nova_feed.feed.sources import Sources
from nova_feed.local.ports import free_port
from nova_feed.settings import load
from nova_feed.store.client import Store
from nova_feed.store.native import Columns

BODY = "NOVA_BENCH_BODY"
TOGETHER, AT_ONCE = 64, 4  # viewers in a query; queries under way, as two API processes have
Message = dict[str, Any]


def asgi() -> Callable[
    [Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]:
    """A bare application: no routing, no checks, the same bytes for everybody."""
    body = Path(os.environ[BODY]).read_bytes()
    start = {"type": "http.response.start", "status": 200, "headers": [
        (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)),
    ]}  # fmt: skip
    end = {"type": "http.response.body", "body": body}

    async def app(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] != "lifespan.shutdown":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        await send(start)
        await send(end)

    return app


@contextmanager
def bare(body: Path, workers: int) -> Iterator[str]:
    """The URL of a bare application, while it runs."""
    port = free_port()
    process = subprocess.Popen([sys.executable, __file__, str(port), str(workers), str(body)])
    url = f"http://127.0.0.1:{port}"
    try:
        until_up(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(20)


def until_up(url: str, process: subprocess.Popen[bytes], deadline_s: float = 30) -> None:
    until = time.monotonic() + deadline_s
    while process.poll() is None and time.monotonic() < until:
        try:
            httpx.get(url, timeout=1).raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    sys.exit("the bare application does not start")


class Recorder(Store):
    """A store that keeps what it was asked, so that exactly the queries of a miss can be asked again."""

    def __init__(self, url: str) -> None:
        super().__init__(url, name="nova benchmark", timeout_s=10)
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def select(self, query: str, **parameters: Any) -> Columns:
        self.asked.append((query, parameters))
        return await super().select(query, **parameters)


async def rankings(clickhouse_url: str, viewers: Sequence[int], seconds: float) -> Mapping[str, float]:
    """Viewers a second whose candidates ClickHouse can answer, 64 in each query, and nothing ranked from them."""
    recorder = Recorder(clickhouse_url)
    try:
        await Sources(recorder, SystemClock()).propose(list(viewers[:TOGETHER]), {})
        queries = [(query, values) for query, values in recorder.asked if "viewers" in values]
        store = Store(clickhouse_url, name="nova benchmark", timeout_s=10)
        start, done = time.monotonic(), 0

        async def one(first: int) -> None:
            nonlocal done
            while time.monotonic() - start < seconds:
                group = [viewers[(first + i) % len(viewers)] for i in range(TOGETHER)]
                await asyncio.gather(
                    *(store.select(query, **(values | {"viewers": group})) for query, values in queries)
                )
                done, first = done + TOGETHER, first + AT_ONCE * TOGETHER

        await asyncio.gather(*(one(i * TOGETHER) for i in range(AT_ONCE)))
        rate = done / (time.monotonic() - start)
        await store.close()
    finally:
        await recorder.close()
    return {"per_s": rate, "queries": len(queries)}


def main() -> None:
    port, workers, body = sys.argv[1:]
    os.environ[BODY] = body
    settings = load({"HTTP_PORT": port, "WORKER_CONCURRENCY": workers})
    sys.path.insert(0, str(Path(__file__).parent))
    api.server("ceiling:asgi", settings).serve()


if __name__ == "__main__":
    main()
