"""Which queries cost most: from ``system.query_log``, or from the embedded server, which keeps its own."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

import httpx

from nova_feed.errors import NovaError, StoreUnavailableError
from nova_feed.store.client import Store

_HAS_LOG = "SELECT toInt64(count()) AS n FROM system.tables WHERE `database` = 'system' AND name = 'query_log'"


@dataclass(frozen=True, slots=True)
class QueryCost:
    """All queries of one normalised text. ``slow`` of them took longer than was asked about; rows and bytes are the
    mean of what one query read."""

    text: str
    count: int
    slow: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    total_ms: float
    read_rows: float
    read_bytes: float


async def costs(store: Store, url: str, *, slow_ms: float, hours: int) -> list[QueryCost]:
    """Those that took the most time in all first. Raises StoreUnavailableError, NovaError when nobody keeps a log."""
    if int((await store.sql(_HAS_LOG))["n"][0]):
        return await from_table(store, "system", "query_log", slow_ms=slow_ms, hours=hours)
    return await _from_embedded(url, slow_ms)


async def from_table(store: Store, database: str, log: str, *, slow_ms: float, hours: int) -> list[QueryCost]:
    """From a table such as ``system.query_log``."""
    rows = await store.select("query_log", database=database, log=log, slow_ms=slow_ms, hours=hours)
    columns = [rows[name].tolist() for name in QueryCost.__dataclass_fields__]
    return [QueryCost(*values) for values in zip(*columns, strict=True)]


async def _from_embedded(url: str, slow_ms: float) -> list[QueryCost]:
    at = urlsplit(url)
    address = urlunsplit((at.scheme, f"{at.hostname}:{at.port or 8123}", "/queries", f"slow_ms={slow_ms}", ""))
    user = (unquote(at.username), unquote(at.password or "")) if at.username else None
    try:
        async with httpx.AsyncClient(timeout=10, auth=user) as client:
            answer = await client.get(address)
    except httpx.HTTPError as error:
        raise StoreUnavailableError("clickhouse", str(error) or type(error).__name__) from error
    if answer.status_code != 200:
        raise NovaError("this ClickHouse keeps no query log: set log_queries = 1 and a query_log section in its config")
    return [QueryCost(**row) for row in answer.json()]
