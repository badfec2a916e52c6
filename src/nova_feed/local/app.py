"""Our own processes as parts of the stack: the API and the worker."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

from nova_feed import __version__
from nova_feed.local import http
from nova_feed.local.service import Command, Managed, ServiceError

# One machine's simulated crowd, tests and benchmarks ask as few users, and as fast as they can: no limit that is met.
LIMITS = dict.fromkeys(
    ("NOVA_LIMIT_READS", "NOVA_LIMIT_EVENTS", "NOVA_LIMIT_SERVICE_READS", "NOVA_LIMIT_SERVICE_EVENTS",
     "NOVA_LIMIT_ANONYMOUS"), "1000000000",
)  # fmt: skip


class App(Managed):
    """``nova api`` or ``nova worker``, told everything by its environment."""

    start_deadline_s = 30
    stop_deadline_s = 20

    def __init__(self, name: str, url: str, home: Path, environment: Mapping[str, str]) -> None:
        super().__init__(name, url, home, self._version)
        self._environment = environment

    def init(self) -> None: ...

    def destroy(self) -> None: ...

    def command(self) -> Command:
        return Command((sys.executable, "-m", "nova_feed.cli", self.name), self._environment)

    async def _version(self) -> str:
        """Its version, from itself: what answers at this address may be another stack's."""
        version = await live_version(self.url)
        port = urlsplit(self.url).port
        if not any(port == at.laddr.port for pid in self.pids for at in _listening(pid)):
            raise ServiceError(f"something else answers at {self.url}")
        return version

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that answer requests first, the one that supervises them last."""
        leader = self.process.pid
        if leader is None:
            return ()
        try:
            found = [child for child in _children(leader) if "resource_tracker" not in "".join(child.cmdline())]
            return (*(child.pid for child in found), leader)
        except psutil.Error:
            return (leader,)


def _children(pid: int) -> list[psutil.Process]:
    """Raises psutil.Error. Linux keeps a list; elsewhere every process of the machine has to be looked at."""
    try:
        told = [tasks.read_text() for tasks in Path(f"/proc/{pid}/task").glob("*/children")]
    except OSError:  # a thread that ended meanwhile
        told = []
    return [psutil.Process(int(child)) for child in " ".join(told).split()] if told else psutil.Process(pid).children()


def _listening(pid: int) -> list[Any]:
    try:
        return [at for at in psutil.Process(pid).net_connections("tcp") if at.status == psutil.CONN_LISTEN]
    except psutil.Error:
        return []


async def live_version(url: str) -> str:
    async with http.client(2) as client:
        (await client.get(f"{url}/health/live")).raise_for_status()
    return __version__
