"""``nova api``: the HTTP API, in WORKER_CONCURRENCY processes."""

from __future__ import annotations

import os
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
