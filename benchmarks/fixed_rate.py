"""Requests at a fixed rate, each timed from the moment it was due: no coordinated omission.

A process of its own, so that it competes with the measured ones as a client would: ``run`` starts it and reads what it
wrote. Connections are made before the first request; with all of them busy a request waits, and its time runs.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import uvloop

PATIENCE_S = 60.0  # for its start, its connections, and its last answers
CONNECT_S = 10.0
LOST = 0  # in place of a status: the connection failed, or no answer came in time, or the request was never sent
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Plan:
    """``rate`` requests a second for ``seconds``; the i-th by the viewer at ``order[i]`` of the file of tokens."""

    url: str
    path: str
    tokens: str
    order: str
    rate: float
    seconds: float
    connections: int
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One element a request: when it was due (seconds from the first), how long until its answer, its status."""

    due: Floats
    seconds: Floats
    status: npt.NDArray[np.int64]

    def of(self, *statuses: int) -> Seen:
        """Those that were answered so."""
        return self.only(np.isin(self.status, statuses))

    def only(self, chosen: npt.NDArray[np.bool_]) -> Seen:
        """Those chosen."""
        return Seen(self.due[chosen], self.seconds[chosen], self.status[chosen])

    def statuses(self) -> dict[str, int]:
        """How many by status."""
        values, counts = np.unique(self.status, return_counts=True)
        return {str(value) if value else "lost": int(count) for value, count in zip(values, counts, strict=True)}


class Running:
    """A generator at work."""

    def __init__(self, plan: Plan, order: npt.NDArray[np.int64]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="nova-rate-")
        place = Path(self._folder.name)
        np.save(place / "order.npy", order)
        self._out = place / "seen.npz"
        self._longest_s = plan.seconds + plan.timeout_s + PATIENCE_S
        spec = asdict(plan) | {"order": str(place / "order.npy"), "out": str(self._out)}
        self._process = subprocess.Popen([sys.executable, __file__, json.dumps(spec)])

    def wait(self) -> Seen:
        """Its end. Raises RuntimeError when it failed, TimeoutExpired when it does not end."""
        try:
            code = self._process.wait(self._longest_s)
        finally:
            self._process.kill()
        if code:
            raise RuntimeError(f"the load generator ended with {code}")
        with np.load(self._out) as found:
            seen = Seen(found["due"], found["seconds"], found["status"])
        self._folder.cleanup()
        return seen


def run(plan: Plan, order: npt.NDArray[np.int64]) -> Seen:
    """Generate, and wait for the end."""
    return Running(plan, order).wait()


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection, one request at a time; reads status and Content-Length, and passes by the body."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.body = b""
        self._answer: asyncio.Future[int] | None = None
        self._got = bytearray()
        self._whole = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none by name

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the protocol's signature
        self.transport = None
        self._end(LOST)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if not self._whole:
            head = self._got.find(b"\r\n\r\n")
            if head < 0:
                return
            lines = bytes(self._got[:head]).lower()
            at = lines.index(b"content-length:") + 15
            self._whole = head + 4 + int(lines[at : at + 20].split(b"\r\n", 1)[0])
        if len(self._got) >= self._whole:
            self.body = bytes(self._got[: self._whole])
            self._end(int(self.body[9:12]))

    def _end(self, status: int) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(status)
        self._got.clear()
        self._whole = 0

    async def ask(self, request: bytes, timeout_s: float) -> int:
        """The status of the answer; LOST when there is none. After LOST the connection is no good."""
        if self.transport is None:
            return LOST
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._answer
        except TimeoutError:
            self.close()
            return LOST

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()
            self.transport = None


async def connect(url: str) -> Connection:
    """A connection to the server of a URL."""
    at = urlsplit(url)
    async with asyncio.timeout(CONNECT_S):
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, at.hostname or "127.0.0.1", at.port or 80)
    return connection


def request_of(url: str, path: str, token: str) -> bytes:
    """A GET as bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


async def _generate(plan: Plan, tokens: list[str], out: str) -> None:
    requests = [request_of(plan.url, plan.path, token) for token in tokens]
    order = np.load(plan.order)
    many = int(plan.rate * plan.seconds)
    seconds, status = np.zeros(many), np.zeros(many, dtype=np.int64)
    connections = [await connect(plan.url) for _ in range(plan.connections)]
    start, numbers = time.monotonic() + 0.1, itertools.count()
    end = start + plan.seconds + plan.timeout_s

    async def one(connection: Connection) -> None:
        while (i := next(numbers)) < many:
            due = start + i / plan.rate
            wait = due - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            if time.monotonic() < end:  # a request that no connection was free for until then was never answered
                status[i] = await connection.ask(requests[order[i % len(order)]], plan.timeout_s)
                if status[i] == LOST:
                    connection = await _again(plan.url, connection)
            seconds[i] = time.monotonic() - due
        connection.close()

    await asyncio.gather(*map(one, connections))
    np.savez(out, due=np.arange(many) / plan.rate, seconds=seconds, status=status)


async def _again(url: str, connection: Connection) -> Connection:
    connection.close()
    try:
        return await connect(url)
    except OSError:
        await asyncio.sleep(0.05)
        return connection


def main() -> None:
    spec: dict[str, Any] = json.loads(sys.argv[1])
    out = spec.pop("out")
    plan = Plan(**spec)
    uvloop.run(_generate(plan, Path(plan.tokens).read_text().split(), out))


if __name__ == "__main__":
    main()
