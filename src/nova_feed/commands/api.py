"""``nova api``: the HTTP API, in WORKER_CONCURRENCY processes."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any

from granian import Granian
from granian.constants import HTTPModes, Interfaces, Loops
from granian.http import HTTP1Settings
from granian.server.common import AbstractServer

from nova_feed import bootstrap
from nova_feed.local.ports import must_be_free
from nova_feed.settings import Settings, env_name

LARGEST_HEAD = 128 * 1024  # bytes of request line and headers before anybody looks at them
# Open connections of a process. Granian's own bound (backlog / workers, 512) counts those that only wait, too: with as
# many clients that keep theirs open nobody else was accepted, a health check neither. How many requests are answered at
# once is bounded elsewhere (serving/admit). A connection that waits takes some 10 KiB.
CONNECTIONS, BACKLOG = 16_384, 4_096
OTHER_FILES = 256


def run(settings: Settings) -> None:
    """Serve until SIGTERM; requests under way are finished. Raises SettingsError, PortInUseError."""
    bootstrap.check(settings)
    must_be_free(settings.http_port, settings.http_host, "HTTP_PORT")
    with _lists_dir(settings):
        server("nova_feed.bootstrap:asgi", settings).serve()


@contextmanager
def _lists_dir(settings: Settings) -> Iterator[None]:
    """A folder for the lists of this host, told to the processes that answer; one of our own is removed at the end."""
    if settings.lists_dir:
        yield
        return
    with TemporaryDirectory(prefix="nova-lists-", ignore_cleanup_errors=True) as folder:
        os.environ[env_name("lists_dir")] = folder
        yield


def server(target: str, settings: Settings) -> AbstractServer[Any]:
    """The server of an application factory (``module:name``): the benchmarks measure its ceiling with a bare one."""
    return Granian(
        target,
        address=settings.http_host,
        port=settings.http_port,
        interface=Interfaces.ASGI,
        workers=settings.worker_concurrency,
        backlog=BACKLOG,
        backpressure=_connections(),
        loop=Loops.uvloop,
        factory=True,
        websockets=False,
        http=HTTPModes.http1,  # so that one set of limits holds
        http1_settings=HTTP1Settings(header_read_timeout=10_000, max_buffer_size=LARGEST_HEAD),
        log_access=False,
        respawn_failed_workers=True,
        respawn_interval=0.5,
        workers_kill_timeout=settings.shutdown_s,
    )


def _connections() -> int:
    """How many connections a process may have open, as many files as that allowed where the system lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + OTHER_FILES
    if resource.RLIM_INFINITY != soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return CONNECTIONS if soft == resource.RLIM_INFINITY else max(OTHER_FILES, min(CONNECTIONS, soft - OTHER_FILES))
