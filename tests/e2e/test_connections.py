"""Clients that keep their connections open keep nobody else out."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import httpx
import pytest

from tests.own_api import own_api
from tests.stack import LocalStack

pytestmark = pytest.mark.e2e
OPEN = 1_200  # more than the server lets in by default, and than files may be open by default
SOON_S = 5  # the server itself closes a connection on which nothing comes for 10 s


@pytest.fixture
def many_files() -> Iterator[None]:
    """Room for the clients' own ends."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.usefixtures("many_files")
def test_who_comes_while_a_thousand_connections_wait_is_answered(stack: LocalStack) -> None:
    with ExitStack() as clients, own_api(stack, WORKER_CONCURRENCY="1") as url:
        where = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
        for _ in range(OPEN):
            waiting = clients.enter_context(socket.create_connection(where, timeout=SOON_S))
            waiting.sendall(b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert waiting.recv(4096).startswith(b"HTTP/1.1 200 ")
        assert httpx.get(f"{url}/health/live", timeout=SOON_S).status_code == 200
