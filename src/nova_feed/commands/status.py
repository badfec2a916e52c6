"""``nova status``: a table of the parts, from what is running and from one real call each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import psutil
from rich.console import Console
from rich.table import Table

from nova_feed.clock import SystemClock
from nova_feed.commands import sung
from nova_feed.errors import NovaError
from nova_feed.local import connect, http, kafka, lock, observers
from nova_feed.local.app import live_version
from nova_feed.local.clickhouse_part import version as clickhouse_version
from nova_feed.local.ports import LOOPBACK
from nova_feed.local.postgres import version as postgres_version
from nova_feed.local.valkey import version as valkey_version
from nova_feed.ops.health import Check, PartHealth, check_all
from nova_feed.store.client import Store
from nova_feed.stream.lag import group_lag
from nova_feed.workers.levels import pending

MIB = 1 << 20
_OBSERVERS = {"prometheus": observers.BUILD, "alertmanager": observers.STATUS}  # of a stack that was started so
_WIDEST = {"version": 28, "lag": 44}  # of a part that is down, the first words of why


@dataclass(frozen=True, slots=True)
class Row:
    """One part as shown."""

    part: str
    health: PartHealth
    where: str
    memory_mib: int | None
    restarts: int
    lag: str


async def show(home: Path, console: Console, *, as_json: bool) -> bool:
    """Print the table; returns whether all parts are up. Raises NovaError when no stack runs in ``home``."""
    facts = _facts(home)
    canary = await _canary(facts)
    rows = await _rows(facts, canary)
    total = sum(row.memory_mib or 0 for row in rows)
    if as_json:
        parts = [{"part": r.part, "state": "up" if r.health.up else "down", "version": r.health.detail, "where": r.where,
                  "memory_mib": r.memory_mib, "restarts": r.restarts, "lag": r.lag} for r in rows]  # fmt: skip
        told = None if canary is None else canary.told()
        console.print_json(json.dumps({"parts": parts, "memory_mib": total, "canary": told}))
    else:
        console.print(_table(rows, total))
        if canary is not None and canary.line():
            console.print(f"canary  {canary.line()}", highlight=False)
    return all(row.health.up for row in rows)


def _facts(home: Path) -> dict[str, Any]:
    path = home / "demo.json"
    if lock.holder(home) is None or not path.exists():
        raise NovaError(f"no stack runs in {home}: `nova up` starts one")
    facts: dict[str, Any] = json.loads(path.read_text())
    return facts


async def _rows(facts: Mapping[str, Any], canary: sung.Sung | None) -> list[Row]:
    checks = {
        "postgres": lambda: postgres_version(facts["postgres_url"]),
        **_brokers(facts),
        "connect": lambda: connect.version(facts["connect_url"]),
        "clickhouse": lambda: clickhouse_version(facts["clickhouse_url"]),
        "valkey": lambda: valkey_version(facts["redis_url"]),
        "api": lambda: live_version(facts["api_url"]),
        "worker": lambda: live_version(facts["admin_url"]),
    } | {
        name: partial(observers.version, f"{facts[f'{name}_url']}{path}")
        for name, path in _OBSERVERS.items() if f"{name}_url" in facts
    }  # fmt: skip
    found, lags = await asyncio.gather(check_all(checks, SystemClock(), 5), _lags(facts, canary))
    return [
        Row(
            part,
            health,
            _where(facts, part),
            _memory(facts["pids"].get(part)),
            facts["restarts"].get(part, 0),
            lags.get(part, ""),
        )
        for part, health in found.items()
    ]


def _brokers(facts: Mapping[str, Any]) -> dict[str, Check]:
    versions = facts["versions"]
    return {name: partial(kafka.version, url, versions[name]) for name, url in facts["brokers"].items()}


async def _lags(facts: Mapping[str, Any], canary: sung.Sung | None) -> dict[str, str]:
    """What each part has not yet done of what it was given; of the worker, what its canary saw last."""
    found = await asyncio.gather(_slot_lag(facts), _queue_lag(facts), _outbox(facts))
    last = "?" if canary is None else canary.short(SystemClock().now_ms() / 1000)
    return dict(zip(("connect", "clickhouse", "kafka", "worker"), (*found, last), strict=True))


async def _outbox(facts: Mapping[str, Any]) -> str:
    try:
        connection = await asyncpg.connect(facts["postgres_url"], timeout=3)
        try:
            events, age_s = await pending(connection, SystemClock().now_ms())
        finally:
            await connection.close()
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return "?"
    return f"{events:,} events to publish" + (f", {age_s:.0f} s" if events else "")


async def _canary(facts: Mapping[str, Any]) -> sung.Sung | None:
    """What the worker's metrics say of its canary; None when the worker does not answer."""
    try:
        async with http.client(3) as client:
            return sung.read((await client.get(f"{facts['admin_url']}/metrics")).raise_for_status().text)
    except httpx.HTTPError:
        return None


async def _slot_lag(facts: Mapping[str, Any]) -> str:
    try:
        connection = await asyncpg.connect(facts["postgres_url"], timeout=3)
    except (OSError, asyncpg.PostgresError, TimeoutError):
        return "?"
    try:
        behind = await connection.fetchval(
            "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn)::bigint FROM pg_replication_slots LIMIT 1"
        )
    finally:
        await connection.close()
    return "no slot" if behind is None else f"{behind / 1024:,.0f} KiB of WAL"


async def _queue_lag(facts: Mapping[str, Any]) -> str:
    try:
        groups = [await asyncio.to_thread(group_lag, facts["kafka_brokers"], g) for g in ("nova_cdc", "events_group")]
    except NovaError:
        return "?"
    seconds = await _heartbeat_age(facts)
    return f"{sum(groups):,} records, {seconds}"


async def _heartbeat_age(facts: Mapping[str, Any]) -> str:
    store = Store(facts["clickhouse_url"], name="nova status")
    try:
        columns = await store.select("freshness")
        return f"{max(0, SystemClock().now_ms() - int(columns['heartbeat_ms'][0])) / 1000:.1f} s"
    except NovaError:
        return "?"
    finally:
        await store.close()


def _where(facts: Mapping[str, Any], part: str) -> str:
    names = {"postgres": "postgres_url", "clickhouse": "clickhouse_url", "valkey": "redis_url",
             "connect": "connect_url", "api": "api_url", "worker": "admin_url", "prometheus": "prometheus_url",
             "alertmanager": "alertmanager_url"}  # fmt: skip
    address: str = facts["brokers"].get(part) or facts[names[part]]
    place = address.rpartition("@")[2].rpartition("://")[2].partition("/")[0]
    return place.removeprefix(f"{LOOPBACK}:")


def _memory(pids: int | list[int] | None) -> int | None:
    if pids is None:
        return None
    roots = pids if isinstance(pids, list) else [pids]
    family: dict[int, psutil.Process] = {}
    for pid in roots:
        try:
            process = psutil.Process(pid)
            family |= {p.pid: p for p in (process, *process.children(recursive=True))}
        except psutil.Error:
            continue
    return sum(_resident(process) for process in family.values()) // MIB


def _resident(process: psutil.Process) -> int:
    """Bytes in memory; pages shared with others are shared out among them where the system says (PostgreSQL)."""
    try:
        full = process.memory_full_info()
        return int(getattr(full, "pss", 0) or full.rss)
    except psutil.Error:
        return 0


def _table(rows: list[Row], total_mib: int) -> Table:
    table = Table(title=None, box=None, header_style="bold", show_footer=True, pad_edge=False)
    footers = ("", "", "", "", f"{total_mib:,}", "", "")
    for header, footer in zip(("part", "state", "version", "port", "MiB", "restarts", "lag"), footers, strict=True):
        right = header in {"port", "MiB", "restarts"}
        table.add_column(
            header, footer=footer, justify="right" if right else "left", no_wrap=True, max_width=_WIDEST.get(header)
        )
    for row in rows:
        state = "[green]up[/]" if row.health.up else "[red]down[/]"
        memory = f"{row.memory_mib:,}" if row.memory_mib is not None else "external" if row.health.up else "-"
        table.add_row(row.part, state, row.health.detail, row.where, memory, str(row.restarts), row.lag)
    return table
