"""What a part of the stack is: init, start, ready (a real call), stop, destroy.

``Managed`` is a server process of ours with a folder of its own; ``External`` is one that somebody else runs, named by
a URL: it is only ever asked whether it is ready.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from nova_feed.errors import NovaError
from nova_feed.local.process import Process
from nova_feed.settings import without_password

Probe = Callable[[], Awaitable[str]]


class ServiceError(NovaError):
    """A part of the stack did not start, or is not what it should be."""


@dataclass(frozen=True, slots=True)
class Command:
    """How a server is run: argv, what it sees of the environment beside the caller's, and as which user id."""

    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    uid: int | None = None


class Service(ABC):
    """One part of the stack. ``url`` is where its clients find it."""

    name: str
    url: str
    start_deadline_s: float = 60.0

    @abstractmethod
    def init(self) -> None:
        """Make the folder and what must exist before the first start. Idempotent. Raises ServiceError."""

    @abstractmethod
    def start(self) -> None:
        """Start the process and return at once. Raises ServiceError when it cannot be run at all."""

    @abstractmethod
    async def ready(self) -> str:
        """Make one real call and return the server's version. Raises whatever its client raises."""

    @abstractmethod
    def alive(self) -> bool:
        """Whether the process runs (an external part is always taken to)."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop the process and wait until it is gone."""

    @abstractmethod
    def destroy(self) -> None:
        """Remove the folder with all data. The process must be stopped."""

    @property
    @abstractmethod
    def pids(self) -> tuple[int, ...]:
        """The processes of this part, the leading one first; empty when it does not run or is external."""


class External(Service):
    """A server that somebody else runs."""

    start_deadline_s = 10  # it runs already, or it does not

    def __init__(self, name: str, url: str, probe: Probe) -> None:
        self.name, self.url, self._probe = name, url, probe

    def init(self) -> None: ...

    def start(self) -> None: ...

    async def ready(self) -> str:
        return await self._probe()

    def alive(self) -> bool:
        return True

    async def stop(self) -> None: ...

    def destroy(self) -> None: ...

    @property
    def pids(self) -> tuple[int, ...]:
        return ()


class Managed(Service):
    """A server process of ours, with its folder below ``home`` and its output in ``home/logs/<name>.log``."""

    stop_signal: signal.Signals = signal.SIGTERM
    stop_deadline_s: float = 15.0

    def __init__(self, name: str, url: str, home: Path, probe: Probe) -> None:
        self.name, self.url, self._probe = name, url, probe
        self.folder = home / name
        self.process = Process(home / "run" / f"{name}.pid", home / "logs" / f"{name}.log")

    @abstractmethod
    def command(self) -> Command:
        """How the server is run."""

    def init(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        command = self.command()
        self.process.start(command.argv, command.env, command.uid)

    async def ready(self) -> str:
        return await self._probe()

    def alive(self) -> bool:
        return self.process.alive()

    async def stop(self) -> None:
        await asyncio.to_thread(self.process.stop, self.stop_signal, self.stop_deadline_s)

    def destroy(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def pids(self) -> tuple[int, ...]:
        pid = self.process.pid
        return () if pid is None else (pid,)


async def until_ready(service: Service, poll_s: float = 0.15) -> str:
    """Wait until ``service`` answers; return its version.

    Raises ServiceError when its process ends or the deadline passes, with the last lines of its log.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + service.start_deadline_s
    last: Exception | None = None
    while loop.time() < deadline:
        try:
            return await asyncio.wait_for(service.ready(), 5)
        except Exception as error:  # noqa: BLE001  whatever the client raises while the server comes up
            last = error
        if not service.alive():
            raise ServiceError(f"{service.name} ended while it was starting{_log_tail(service)}")
        await asyncio.sleep(poll_s)
    waited = f"did not answer within {service.start_deadline_s:.0f} s"
    raise ServiceError(
        f"{service.name} at {without_password(service.url)} {waited} ({_first_line(last)}){_log_tail(service)}"
    )


def _first_line(error: Exception | None) -> str:
    return str(error).partition("\n")[0] or type(error).__name__  # who is asked may answer with a page of HTML


def _log_tail(service: Service, lines: int = 12) -> str:
    if not isinstance(service, Managed):
        return ""
    return f"; the end of {service.process.log}:\n{service.process.log_tail(lines)}"
