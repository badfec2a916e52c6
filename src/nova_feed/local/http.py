"""HTTP to the parts of the stack, with one TLS context for all clients: making one costs 50 ms."""

from __future__ import annotations

import ssl
from functools import cache

import httpx


def client(timeout_s: float) -> httpx.AsyncClient:
    """A client that is used for a few calls and closed."""
    return httpx.AsyncClient(timeout=timeout_s, verify=_tls())


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context()
