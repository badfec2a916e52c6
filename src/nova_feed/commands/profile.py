"""``nova profile queries|keys|pools``: where the time, the memory and the connections go."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict

import httpx
import redis.asyncio as redis
from rich.console import Console
from rich.table import Table

from nova_feed.cache.census import Family, census
from nova_feed.capture.connection import connect
from nova_feed.commands.histograms import Spread, spreads
from nova_feed.settings import Settings
from nova_feed.store.client import Store
from nova_feed.store.query_log import QueryCost, costs

MOST_SHOWN = 20
MIB = 1 << 20
TIMEOUT_S = 10.0
_ACTIVITY = """
SELECT coalesce(nullif(application_name, ''), usename, backend_type) AS name, count(*) AS open,
    count(*) FILTER (WHERE state IS DISTINCT FROM 'idle') AS in_use,
    count(*) FILTER (WHERE state LIKE 'idle in transaction%') AS idle_in_transaction,
    count(*) FILTER (WHERE wait_event_type = 'Lock') AS waiting_for_a_lock,
    coalesce(max(extract(epoch FROM now() - query_start)) FILTER (WHERE state = 'active'), 0)::float8 AS longest_s
FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() GROUP BY 1 ORDER BY open DESC, 1
"""


async def queries(
    settings: Settings, console: Console, *, slow_ms: float, hours: int, everything: bool, as_json: bool
) -> None:
    """Print the queries of which one took longer than ``slow_ms`` (or all), most time first."""
    store = Store(settings.clickhouse_url, name="nova profile", timeout_s=TIMEOUT_S)
    try:
        found = await costs(store, settings.clickhouse_url, slow_ms=slow_ms, hours=hours)
    finally:
        await store.close()
    shown = [cost for cost in found if everything or cost.slow]
    if as_json:
        console.print_json(json.dumps([asdict(cost) for cost in shown]))
        return
    if not shown:
        many = sum(cost.count for cost in found)
        console.print(
            f"none of {many:,} queries of {len(found)} kinds took longer than {slow_ms:.0f} ms", highlight=False
        )
        return
    console.print(_queries_table(shown[:MOST_SHOWN], slow_ms))


def _queries_table(shown: Sequence[QueryCost], slow_ms: float) -> Table:
    table = _table("query", "count", f"> {slow_ms:.0f} ms", "P50", "P95", "P99 ms", "rows read", "MiB read")
    for cost in shown:
        table.add_row(
            cost.text[:160], f"{cost.count:,}", f"{cost.slow:,}", *(f"{ms:,.1f}" for ms in (cost.p50_ms, cost.p95_ms, cost.p99_ms)),
            f"{cost.read_rows:,.0f}", f"{cost.read_bytes / MIB:,.2f}",
        )  # fmt: skip
    return table


async def keys(settings: Settings, console: Console, *, as_json: bool) -> bool:
    """Print Valkey's keys by family; returns whether every key has a family and a TTL."""
    client = redis.Redis.from_url(settings.redis_url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    try:
        found = await census(client)
    finally:
        await client.aclose()
    warnings = [warning for family in found for warning in family.warnings()]
    if as_json:
        shown = [asdict(family) | {"bytes": family.bytes, "sample": len(family.sample)} for family in found]
        console.print_json(json.dumps({"families": shown, "warnings": warnings}))
    else:
        console.print(_keys_table(found))
        for warning in warnings:
            console.print(f"! {warning}", style="yellow", highlight=False, soft_wrap=True)
    return not warnings


def _keys_table(found: Sequence[Family]) -> Table:
    table = _table("family", "keys", "bytes each", "MiB", "largest", "TTL s", "promised", "what")
    for family in found:
        lives = f"{family.least_ttl_s:,.0f} to {family.most_ttl_s:,.0f}" if family.most_ttl_s else "-"
        table.add_row(
            family.template, f"{family.count:,}", f"{family.mean_bytes:,.0f}", f"{family.bytes / MIB:,.2f}",
            f"{family.largest_bytes:,}", lives, f"{family.promised_ttl_s:,}", family.what,
        )  # fmt: skip
    return table


async def pools(settings: Settings, metrics_urls: Sequence[str], console: Console, *, as_json: bool) -> None:
    """Print PostgreSQL's connections by who holds them, and how long requests wait for one of ours."""
    connection = await connect(settings.postgres_url, name="nova profile")
    try:
        rows = [dict(row) for row in await connection.fetch(_ACTIVITY)]
        limit = int(await connection.fetchval("SHOW max_connections"))
    finally:
        await connection.close()
    waits: dict[str, Spread] = {}
    for (
        url
    ) in metrics_urls:  # processes of one host tell of each other, too: each pool is told by the first that knows it
        waits = spreads(await _exposition(url), "nova_feed_postgres_pool_wait_seconds", "pool") | waits
    if as_json:
        told = {pool: _wait(spread) for pool, spread in waits.items()}
        console.print_json(json.dumps({"connections": rows, "max_connections": limit, "waits": told}))
        return
    table = _table("who", "open", "in use", "idle in transaction", "waiting for a lock", "longest s")
    for row in rows:
        table.add_row(row["name"], *(f"{row[key]:,}" for key in ("open", "in_use", "idle_in_transaction",
                      "waiting_for_a_lock")), f"{row['longest_s']:.1f}")  # fmt: skip
    console.print(table)
    console.print(f"{sum(row['open'] for row in rows):,} of {limit:,} connections are open\n", highlight=False)
    console.print(_waits_table(waits) if waits else "no process says how long it waits: is the API up on this host?")


def _waits_table(waits: dict[str, Spread]) -> Table:
    table = _table("pool: wait for a connection", "asked", "P50 ms", "P95 ms", "P99 ms")
    for pool, spread in waits.items():
        told = _wait(spread)
        table.add_row(pool, f"{told['count']:,.0f}", *(f"{told[key]:,.1f}" for key in ("p50_ms", "p95_ms", "p99_ms")))
    return table


def _wait(spread: Spread) -> dict[str, float]:
    shares = {"p50_ms": 0.5, "p95_ms": 0.95, "p99_ms": 0.99}
    return {"count": spread.count} | {key: round(spread.quantile(share) * 1000, 2) for key, share in shares.items()}


async def _exposition(url: str) -> str:
    try:
        async with httpx.AsyncClient(timeout=5) as client:
            return (await client.get(f"{url}/metrics")).raise_for_status().text
    except httpx.HTTPError:
        return ""


def _table(first: str, *headers: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(first, overflow="fold")
    for header in headers:
        table.add_column(header, justify="left" if header == "what" else "right", no_wrap=header != "what")
    return table
