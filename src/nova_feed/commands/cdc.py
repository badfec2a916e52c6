"""``nova cdc status`` and ``nova cdc verify``: does ClickHouse hold what PostgreSQL holds?"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from nova_feed.capture.connect_api import ConnectApi
from nova_feed.capture.connection import connect
from nova_feed.settings import Settings
from nova_feed.store.client import Store
from nova_feed.topics import CDC_TABLES

# table -> the columns that make up a row's fingerprint, the same in both stores. A row contributes less than 2**31, taken
# from its ids and its second, so the sum over a table overflows nowhere.
COLUMNS = {
    "users": ("id",), "posts": ("id", "author_id"), "follows": ("follower_id", "followee_id"),
    "comments": ("id", "post_id", "user_id"), "likes": ("id", "post_id", "user_id"),
    "blocks": ("blocker_id", "blocked_id"), "mutes": ("muter_id", "muted_id"),
}  # fmt: skip
TRIES = 5
_PRIMES = (7, 1_000_003, 998_244_353)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One table in both stores: rows, and a checksum over ids and creation seconds."""

    table: str
    postgres: tuple[int, int]
    clickhouse: tuple[int, int]

    @property
    def equal(self) -> bool:
        return self.postgres == self.clickhouse


async def verify(settings: Settings) -> list[Comparison]:
    """Compare every captured table. Raises StoreUnavailableError."""
    store = Store(settings.clickhouse_url, name="nova cdc", timeout_s=60)
    connection = await connect(settings.postgres_url, name="nova cdc")
    try:
        found = []
        for table in CDC_TABLES:
            row = await connection.fetchrow(_postgres_sql(table))
            columns = await store.sql(_clickhouse_sql(table))
            there = int(columns["rows"][0]), int(columns["checksum"][0])
            found.append(Comparison(table, (row["rows"], int(row["checksum"])), there))  # type: ignore[index]
        return found
    finally:
        await connection.close()
        await store.close()


def _postgres_sql(table: str) -> str:
    terms = "+".join(f"mod({name}, 2147483647) * {prime}" for name, prime in zip(COLUMNS[table], _PRIMES, strict=False))
    mixed = f"mod({terms} + floor(extract(epoch FROM created_at))::bigint, 2147483647)"
    return f"SELECT count(*) AS rows, coalesce(sum({mixed}), 0) AS checksum FROM {table}"  # noqa: S608  names of ours


def _clickhouse_sql(table: str) -> str:
    terms = "+".join(f"({name} % 2147483647) * {prime}" for name, prime in zip(COLUMNS[table], _PRIMES, strict=False))
    mixed = f"({terms} + toUnixTimestamp(created_at)) % 2147483647"
    return f"SELECT toInt64(count()) AS rows, toInt64(sum({mixed})) AS checksum FROM {table} FINAL"  # noqa: S608


async def show_verify(settings: Settings, console: Console) -> bool:
    """Print the comparison; returns whether all tables are equal."""
    for _ in range(TRIES):  # rows are on their way while both are asked
        found = await verify(settings)
        if all(row.equal for row in found):
            break
        await asyncio.sleep(1)
    table = Table(box=None, header_style="bold", pad_edge=False)
    for header in ("table", "PostgreSQL", "ClickHouse", "checksums", ""):
        table.add_column(header, justify="left" if header in {"table", ""} else "right")
    for row in found:
        sums = "equal" if row.postgres[1] == row.clickhouse[1] else "differ"
        table.add_row(row.table, f"{row.postgres[0]:,}", f"{row.clickhouse[0]:,}", sums, "✓" if row.equal else "✗")
    console.print(table)
    return all(row.equal for row in found)


async def show_status(settings: Settings, console: Console) -> bool:
    """Print the connector's state, the slot's and the age of the newest captured heartbeat; True when it runs."""
    async with ConnectApi(settings.connect_url) as api:
        status = await api.status()
    connection = await connect(settings.postgres_url, name="nova cdc")
    try:
        slot = await connection.fetchrow(
            "SELECT slot_name, active, wal_status, pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint AS lag"
            " FROM pg_replication_slots WHERE slot_name = 'nova_slot'"
        )
        tables = await connection.fetch(
            "SELECT tablename FROM pg_publication_tables WHERE pubname = 'nova_pub' ORDER BY 1"
        )
    finally:
        await connection.close()
    store = Store(settings.clickhouse_url, name="nova cdc")
    try:
        lag = await store.sql("SELECT toFloat64(now64(3) - max(created_at)) AS s FROM heartbeat FINAL")
        bad = await store.sql("SELECT toInt64(count()) AS n FROM bad_rows FINAL")
    finally:
        await store.close()
    trace = f" {status.trace}" if status and status.trace else ""
    console.print(f"connector    {status.connector if status else 'not registered'}{trace}", highlight=False)
    console.print(f"tasks        {', '.join(status.tasks) if status else '-'}", highlight=False)
    shown = (
        f"{slot['slot_name']} active={slot['active']} {slot['wal_status']}, {slot['lag']:,} bytes behind"
        if slot
        else "none"
    )
    console.print(f"slot         {shown}", highlight=False)
    console.print(f"publication  {', '.join(row['tablename'] for row in tables)}", highlight=False)
    console.print(f"heartbeat    {float(lag['s'][0]):.1f} s old in ClickHouse", highlight=False)
    console.print(f"bad rows     {int(bad['n'][0]):,}", highlight=False)
    return bool(status and status.running)
