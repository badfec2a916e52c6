"""Requests at a fixed rate, each timed from the moment it was due: no coordinated omission.

A process of its own, so that it competes with the measured ones as a client would: ``run`` starts it and reads what it
wrote. Connections are made before the first request; with all of them busy a request waits, and its time runs.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import uvloop

PATIENCE_S = 60.0  # for its start, its connections, and its last answers
CONNECT_S = 10.0
TICK_S = 0.001  # uvloop's timers are no finer: less is at once, and again, and again
LOOK_S = 0.05  # how often it is looked for requests that were not answered in time
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


class Connection(asyncio.BufferedProtocol):
    """One HTTP/1.1 connection, one request at a time; reads status and Content-Length, and passes by the body."""

    _room = memoryview(bytearray(1 << 18))  # of all connections: nobody looks at what has been read

    def __init__(self, answered: Callable[[Connection, int], None]) -> None:
        """``answered(connection, status)`` ends each request; after LOST the connection is no good."""
        self.until = 0.0
        self.number = 0
        self._answered = answered
        self._transport: asyncio.Transport | None = None
        self._asked = False
        self._head = b""
        self._status = self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by name

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  the protocol's signature
        self._transport = None
        self._end(LOST)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002  the protocol's signature
        return self._room

    def buffer_updated(self, nbytes: int) -> None:
        if self._left:
            self._left -= nbytes
        else:
            self._head += bytes(self._room[:nbytes])
            end = self._head.find(b"\r\n\r\n")
            if end < 0:
                return
            lines = self._head[:end].lower()
            at = lines.index(b"content-length:") + 15
            self._status = int(lines[9:12])
            self._left = end + 4 + int(lines[at : at + 20].split(b"\r\n", 1)[0]) - len(self._head)
        if self._left <= 0:
            self._end(self._status)

    def ask(self, request: bytes, number: int, until: float) -> None:
        """Send a request, to be answered until then (monotonic; whoever sends looks at the clock)."""
        self.number, self.until, self._asked = number, until, True
        if self._transport is None:
            self._end(LOST)
        else:
            self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        self._end(LOST)

    def _end(self, status: int) -> None:
        asked, self._asked = self._asked, False
        self._head, self._left = b"", 0
        if asked:
            self._answered(self, status)


async def connect(url: str, answered: Callable[[Connection, int], None]) -> Connection:
    """A connection to the server of a URL."""
    at = urlsplit(url)
    async with asyncio.timeout(CONNECT_S):
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(answered), at.hostname or "127.0.0.1", at.port or 80
        )
    return connection


def request_of(url: str, path: str, token: str) -> bytes:
    """A GET as bytes."""
    return f"GET {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()


class _Generator:
    """Callbacks alone, no task or timer for each request: what the client takes of a processor the system lacks."""

    def __init__(self, plan: Plan, requests: list[bytes], order: npt.NDArray[np.int64]) -> None:
        self._plan, self._requests, self._order = plan, requests, order.tolist()
        self._many = int(plan.rate * plan.seconds)
        self.seconds, self.status = np.zeros(self._many), np.zeros(self._many, dtype=np.int64)
        self._idle: list[Connection] = []
        self._busy: set[Connection] = set()
        self._mending: set[asyncio.Task[None]] = set()
        self._next = 0
        self._start = self._end = 0.0
        self._timer: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """All requests, each answered, lost, or never sent because nothing was free until the end."""
        plan = self._plan
        self._idle = [await connect(plan.url, self._answered) for _ in range(plan.connections)]
        self._start = time.monotonic() + 0.1
        self._end = self._start + plan.seconds + plan.timeout_s
        self._send_due()
        while (self._next < self._many or self._busy) and (now := time.monotonic()) < self._end:
            await asyncio.sleep(LOOK_S)
            for connection in [one for one in self._busy if one.until < now]:
                connection.close()
        never, self._next = range(self._next, self._many), self._many
        self.seconds[never.start :] = time.monotonic() - self._start - np.array(never) / plan.rate
        for connection in (*self._idle, *self._busy):
            connection.close()
        for task in self._mending:
            task.cancel()
        await asyncio.gather(*self._mending, return_exceptions=True)

    def _send_due(self) -> None:
        """Send what is due as far as connections are free, and come again when more is."""
        now = time.monotonic()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._next < self._many and self._idle:
            due = self._start + self._next / self._plan.rate
            if due > now:
                self._timer = asyncio.get_running_loop().call_later(max(TICK_S, due - now), self._send_due)
                return
            connection = self._idle.pop()
            self._busy.add(connection)
            i, self._next = self._next, self._next + 1
            connection.ask(self._requests[self._order[i % len(self._order)]], i, now + self._plan.timeout_s)

    def _answered(self, connection: Connection, status: int) -> None:
        i, now = connection.number, time.monotonic()
        self.seconds[i], self.status[i] = now - self._start - i / self._plan.rate, status
        self._busy.discard(connection)
        if status == LOST:
            task = asyncio.create_task(self._again(connection))
            self._mending.add(task)
            task.add_done_callback(self._mending.discard)
        else:
            self._free(connection)

    def _free(self, connection: Connection) -> None:
        self._idle.append(connection)
        if len(self._idle) == 1:  # all were busy: nobody waits for what is due next
            self._send_due()

    async def _again(self, connection: Connection) -> None:
        connection.close()
        while time.monotonic() < self._end:
            try:
                self._free(await connect(self._plan.url, self._answered))
            except OSError:  # TimeoutError is one
                await asyncio.sleep(LOOK_S)
            else:
                return


async def _generate(plan: Plan, tokens: list[str], out: str) -> None:
    generator = _Generator(plan, [request_of(plan.url, plan.path, token) for token in tokens], np.load(plan.order))
    await generator.run()
    due = np.arange(len(generator.seconds)) / plan.rate
    np.savez(out, due=due, seconds=generator.seconds, status=generator.status)


def main() -> None:
    spec: dict[str, Any] = json.loads(sys.argv[1])
    out = spec.pop("out")
    plan = Plan(**spec)
    uvloop.run(_generate(plan, Path(plan.tokens).read_text().split(), out))


if __name__ == "__main__":
    main()
