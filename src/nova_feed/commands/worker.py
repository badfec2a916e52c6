"""``nova worker``: the jobs beside the API, and the admin listener."""

from __future__ import annotations

import asyncio
import signal
from functools import partial

from granian.constants import Interfaces
from granian.server.embed import Server

from nova_feed import bootstrap
from nova_feed.capture import supervisor
from nova_feed.clock import SystemClock
from nova_feed.ingest.publish import Publisher
from nova_feed.settings import Settings
from nova_feed.stream.lag import group_lag
from nova_feed.workers import housekeeping, runner
from nova_feed.workers.invalidation import Invalidation
from nova_feed.workers.reconciler import Reconciler


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with bootstrap.open_clients(settings, "nova worker") as clients:
        publisher = Publisher(clients.postgres, clients.producer)
        invalidation = Invalidation(clients.store, clients.lists, SystemClock())
        reconciler = Reconciler(clients.postgres, clients.store, partial(_events_lag, settings), SystemClock())
        jobs: dict[str, runner.Job] = {
            "cdc supervisor": lambda: supervisor.supervise(clients.connect, bootstrap.connector(settings)),
            "outbox relay": publisher.relay,
            "outbox sweep": publisher.sweep,
            "invalidation": invalidation.run,
            "reconciler": reconciler.run,
            "event days": lambda: housekeeping.event_days(clients.postgres),
            "admin listener": lambda: _admin(settings),
        }
        await runner.run(jobs, stop)


async def _events_lag(settings: Settings) -> int:
    return await asyncio.to_thread(group_lag, settings.kafka_brokers, "events_group")


async def _admin(settings: Settings) -> None:
    server = Server(
        bootstrap.api_app(settings, settings.admin_host),
        address=settings.admin_host,
        port=settings.admin_port,
        interface=Interfaces.ASGI,
        websockets=False,
        log_access=False,
    )
    try:
        await server.serve()
    finally:
        server.stop()  # type: ignore[no-untyped-call]
