"""ClickHouse as a part of the stack: chdb behind our server of ClickHouse's HTTP protocol, in one process."""

from __future__ import annotations

import sys
from pathlib import Path

from nova_feed.local.ports import LOOPBACK
from nova_feed.local.service import Command, Managed
from nova_feed.store.client import Store

DATABASE = "nova"
MERGED_S = 60
_TABLES = """
SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'
    AND NOT startsWith(name, '.') AND position(create_table_query, 'old_parts_lifetime') = 0
"""


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


async def keep_merged_parts(url: str) -> None:
    """Have every table keep for a minute the parts that were merged; the embedded engine removes them at once.

    They are what is read when the new part turns out to be none (``clickhouse/parts.py``). A server keeps them for
    eight minutes. Raises StoreUnavailableError.
    """
    store = Store(url, name="nova up")
    try:
        for name in (await store.sql(_TABLES))["name"]:
            await store.command(f"ALTER TABLE `{name}` MODIFY SETTING old_parts_lifetime = {MERGED_S}")
    finally:
        await store.close()
