"""ClickHouse as a part of the stack: chdb behind our server of ClickHouse's HTTP protocol, in one process."""

from __future__ import annotations

import sys
from pathlib import Path

from nova_feed.local.ports import LOOPBACK
from nova_feed.local.service import Command, Managed
from nova_feed.store.client import Store

DATABASE = "nova"


class ClickHouse(Managed):
    """The analytical store."""

    start_deadline_s = 60

    def __init__(self, home: Path, port: int) -> None:
        self.port = port
        url = f"http://{LOOPBACK}:{port}/{DATABASE}"
        super().__init__("clickhouse", url, home, lambda: version(url))

    def command(self) -> Command:
        argv = (sys.executable, "-m", "nova_feed.local.clickhouse", "--data", str(self.folder / "data"))
        return Command((*argv, "--host", LOOPBACK, "--port", str(self.port)))


async def version(url: str) -> str:
    """Ask a ClickHouse for its version. Raises StoreUnavailableError."""
    store = Store(url, name="nova ready")
    try:
        return await store.version()
    finally:
        await store.close()
