"""One ClickHouse: queries from files, answers as columns, failures under one name."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import unquote, urlsplit

import aiohttp
import clickhouse_connect
import structlog
from clickhouse_connect.driver.asyncclient import AsyncClient
from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

from nova_feed.errors import StoreUnavailableError
from nova_feed.ops import metrics, tracing
from nova_feed.store.native import Columns, parse

# A query of ours that is wrong says nothing about the server's health: these are bugs, and must look like bugs.
_AWAY = (OperationalError, aiohttp.ClientError, OSError, TimeoutError)
# Why a user who may only read (deploy/clickhouse/users.sql) makes no database: somebody else made it.
_MAY_ONLY_READ = ("ACCESS_DENIED", "READONLY", "QUERY_IS_PROHIBITED")
SLOW_S = 0.5
WHOLE_S = 30.0
SQL, COMMAND, VERSION = "sql", "command", "version"  # in place of a file's name: tools' queries, rebuilds, health
log = structlog.get_logger(__name__)


class Store:
    """ClickHouse over HTTP. Every method raises StoreUnavailableError when the server does not answer."""

    def __init__(self, url: str, *, timeout_s: float = 2.0, name: str = "nova") -> None:
        self._url, self._timeout_s, self._name = url, timeout_s, name
        self._client: AsyncClient | None = None
        self._lock = asyncio.Lock()

    async def client(self) -> AsyncClient:
        """The client, connected at the first call; makes the URL's database when it is not there."""
        async with self._lock:
            if self._client is None:
                try:
                    self._client = await self._connect()
                except _AWAY as error:
                    raise StoreUnavailableError("clickhouse", _reason(error)) from error
            return self._client

    async def _connect(self) -> AsyncClient:
        at = urlsplit(self._url)
        database = at.path.lstrip("/") or "default"
        options: dict[str, Any] = {
            "interface": at.scheme, "host": at.hostname, "port": at.port or 8123, "client_name": self._name,
            "username": unquote(at.username) if at.username else None,
            "password": unquote(at.password) if at.password else "",
            "autogenerate_session_id": False, "connect_timeout": 2, "send_receive_timeout": 60, "query_retries": 0,
        }  # fmt: skip
        async with await clickhouse_connect.get_async_client(**options) as server:
            try:
                await server.command("CREATE DATABASE IF NOT EXISTS {name:Identifier}", parameters={"name": database})
            except ClickHouseError as error:
                if not any(reason in str(error) for reason in _MAY_ONLY_READ):
                    raise
        return await clickhouse_connect.get_async_client(**options, database=database, connector_limit=32)

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()

    async def version(self) -> str:
        """The server's version, by a real query."""
        columns = await self._run(VERSION, "SELECT version() AS version", {})
        return str(columns["version"][0])

    async def select(self, query: str, **parameters: Any) -> Columns:
        """Run ``sql/queries/<query>.sql``: column name -> array, one element per row."""
        return await self._run(query, read(query), parameters)

    async def whole(self, query: str) -> Columns:
        """Run a query file that reads whole tables and that nobody waits for, for up to 30 s."""
        return await self._run(query, read(query), {}, timeout_s=WHOLE_S)

    async def sql(self, sql: str, **parameters: Any) -> Columns:
        """Run SQL of ours (never a caller's) with bound parameters: column name -> array."""
        return await self._run(SQL, sql, parameters)

    async def command(self, sql: str) -> None:
        """Run a statement of ours that answers nothing, for up to 30 s. Raises ClickHouseError, too."""
        with _measured(COMMAND):
            async with asyncio.timeout(WHOLE_S):
                await (self._client or await self.client()).command(sql)

    async def _run(
        self, query: str, sql: str, parameters: Mapping[str, Any], *, timeout_s: float | None = None
    ) -> Columns:
        timeout_s = self._timeout_s if timeout_s is None else timeout_s
        settings = {"max_execution_time": timeout_s}
        with _measured(query):
            async with asyncio.timeout(timeout_s + 0.25):
                client = self._client or await self.client()
                body = await client.raw_query(sql, dict(parameters), settings, fmt="Native")
        return parse(body)


@contextmanager
def _measured(query: str) -> Iterator[None]:
    """Time what is done within, under the query's name; what says that the server is away becomes our own error."""
    start, status = time.perf_counter(), "ok"
    try:
        with tracing.span(query, "client", db__system__name="clickhouse"):
            yield
    except _AWAY as error:
        status = "timeout" if isinstance(error, TimeoutError) else "away"
        raise StoreUnavailableError("clickhouse", _reason(error), status) from error
    except ClickHouseError as error:
        busy = "TIMEOUT_EXCEEDED" in str(error) or "TOO_MANY_SIMULTANEOUS" in str(error)
        status = "timeout" if busy else "error"
        if busy:
            raise StoreUnavailableError("clickhouse", _reason(error), status) from error
        raise
    except StoreUnavailableError as error:  # of the connection
        status = error.kind
        raise
    finally:
        took = time.perf_counter() - start
        metrics.CH_SECONDS.labels(query, status).observe(took)
        if took > SLOW_S and query not in {SQL, COMMAND}:
            log.warning("clickhouse.slow", query=query, ms=round(took * 1000))


@cache
def read(query: str) -> str:
    """The text of a query file."""
    return (files("nova_feed.store") / "sql" / "queries" / f"{query}.sql").read_text()


def _reason(error: BaseException) -> str:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text[:200]
