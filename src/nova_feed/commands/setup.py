"""Make the servers hold what the product needs: schemas, topics, connector. Idempotent; a dry run changes nothing."""

from __future__ import annotations

import asyncio

from nova_feed import bootstrap
from nova_feed.capture import migrate as postgres
from nova_feed.capture.connect_api import ConnectApi
from nova_feed.errors import NovaError, StoreUnavailableError
from nova_feed.settings import Settings
from nova_feed.store import migrate as clickhouse
from nova_feed.store.client import Store
from nova_feed.stream.admin import ensure_topics


async def migrate(settings: Settings, *, dry_run: bool = False) -> dict[str, list[str]]:
    """Apply the migrations of PostgreSQL and ClickHouse, and make the topics in between (ClickHouse reads them).

    Returns what was applied, by server; with ``dry_run`` what would be. Raises NovaError.
    """
    applied = {"postgres": await postgres.migrate(settings.postgres_url, dry_run=dry_run)}
    if not dry_run:
        applied["kafka"] = await ensure_topics(settings.kafka_brokers, settings.kafka_replication)
    store = Store(settings.clickhouse_url, name="nova migrate")
    try:
        variables = {
            "KAFKA_BROKERS": settings.clickhouse_kafka_brokers or settings.kafka_brokers,
            "KAFKA_CONSUMERS": str(settings.clickhouse_consumers),
        }
        applied["clickhouse"] = await clickhouse.migrate(await store.client(), variables, dry_run=dry_run)
    finally:
        await store.close()
    return applied


async def register(settings: Settings, *, deadline_s: float = 60) -> None:
    """Register the connector and wait until its task runs. Raises NovaError."""
    async with ConnectApi(settings.connect_url) as api:
        loop = asyncio.get_running_loop()
        until = loop.time() + deadline_s
        while True:
            try:
                await api.apply(bootstrap.connector(settings))
                break
            except StoreUnavailableError:
                if loop.time() > until:
                    raise
                await asyncio.sleep(0.5)
        while (status := await api.status()) is None or not status.running:
            if loop.time() > until:
                raise NovaError(f"the connector does not run after {deadline_s:.0f} s: {status and status.trace}")
            await asyncio.sleep(0.2)
