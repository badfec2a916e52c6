"""``nova worker``: the jobs beside the API, and the admin listener."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import httpx
import structlog
from granian.constants import Interfaces
from granian.server.embed import Server

from nova_feed import bootstrap
from nova_feed.cache.builds import Builds
from nova_feed.cache.discovery import DiscoveryCache
from nova_feed.capture import supervisor
from nova_feed.clock import SystemClock
from nova_feed.ingest.publish import Publisher
from nova_feed.local.ports import must_be_free
from nova_feed.runtime.change import Changes
from nova_feed.runtime.file import RuntimeFile
from nova_feed.runtime.table import RuntimeTable
from nova_feed.serving.auth import mint
from nova_feed.settings import Settings
from nova_feed.stream.consumer import GroupConsumer
from nova_feed.stream.lag import LagReader, Place, Position
from nova_feed.topics import EVENTS
from nova_feed.workers import housekeeping, levels, relations, runner, suggestions, tables, traces, trending
from nova_feed.workers.canary import Canary
from nova_feed.workers.daily import DailyJob
from nova_feed.workers.dead_letters import DeadLetters
from nova_feed.workers.invalidation import Invalidation
from nova_feed.workers.reconciler import Reconciler
from nova_feed.workers.servers import Servers
from nova_feed.workers.warmer import Warmer

log = structlog.get_logger(__name__)
TOKEN_LIFE_S = 600


async def run(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT. Raises SettingsError, PortInUseError."""
    bootstrap.check(settings)
    must_be_free(settings.admin_port, settings.admin_host, "NOVA_ADMIN_PORT")
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    async with bootstrap.open_clients(settings, "nova worker") as clients:
        await runner.run(jobs(settings, clients), stop)


def jobs(settings: Settings, clients: bootstrap.Clients) -> dict[str, runner.Job]:
    """Every job of this process, by name."""
    clock = SystemClock()

    reader = LagReader(settings.kafka_brokers)

    async def positions(group: str) -> Mapping[Place, Position]:
        return await asyncio.to_thread(reader.positions, group)

    async def events_lag() -> int:
        return sum((await asyncio.to_thread(reader.read, "events_group")).values())

    publisher = Publisher(clients.postgres, clients.producer)
    consumer = GroupConsumer(settings.kafka_brokers, relations.GROUP, list(relations.TABLES))
    active, builds = DiscoveryCache(clients.lists.client), Builds(clients.lists.client)
    found: dict[str, runner.Job] = {
        "cdc supervisor": lambda: supervisor.supervise(clients.connect, bootstrap.connector(settings)),
        "outbox relay": publisher.relay,
        "outbox sweep": publisher.sweep,
        "reconciler": Reconciler(clients.postgres, clients.store, events_lag, clock).run,
        "invalidation": Invalidation(clients.store, clients.lists, builds, clock).run,
        **{f"table {view}": partial(tables.keep, clients.store, builds, clock, view) for view in tables.SLOW},
        "stopped views": partial(tables.watch_stopped, clients.store),
        "relations": lambda: consumer.run(relations.Relations(clients.store, clients.lists).handle),
        "warmer": Warmer(
            clients.store, clients.lists, bootstrap.feed_service(settings, clients, clock).warm, clock
        ).run,
        "trending": trending.TrendingJob(bootstrap.trending(clients, clock), clock).run,
        "suggestions": suggestions.SuggestionsJob(bootstrap.suggestions(clients, clock), active, clock).run,
        "dead letters": DeadLetters(clients.store, clients.producer, clock).run,
        "event days": lambda: housekeeping.event_days(clients.postgres),
        "levels": lambda: levels.watch(clients.postgres, positions, clock),
        "servers": Servers(
            clients.postgres, clients.store, clients.lists.client, clients.checks(settings), clock
        ).watch,
        "daily": lambda: _daily(settings),
        "admin listener": lambda: _admin(settings),
    }
    if settings.otel_endpoint:
        followed = GroupConsumer(settings.kafka_brokers, traces.GROUP, [EVENTS.name])
        found["traces"] = lambda: followed.run(traces.Traces(clients.store, clock).handle)
    if settings.runtime_file:
        changes = Changes(RuntimeTable(clients.reads), clients.live)
        found["runtime file"] = RuntimeFile(Path(settings.runtime_file), changes).run
    if settings.canary_url and settings.jwt_secret.get_secret_value():
        found["canary"] = lambda: _canary(settings, clients)
    elif settings.canary_url:
        log.warning("canary.off", reason="it signs its own tokens, which takes NOVA_JWT_SECRET")
    return found


async def _canary(settings: Settings, clients: bootstrap.Clients) -> None:
    clock, secret = SystemClock(), settings.jwt_secret.get_secret_value()

    def token(user_id: int) -> str:
        # It looks twenty times a second while it waits: more than a user may.
        return mint(secret, user_id, issuer=settings.jwt_issuer, audience=settings.jwt_audience, now_ms=clock.now_ms(),
                    life_s=TOKEN_LIFE_S, scope="service")  # fmt: skip

    async with httpx.AsyncClient(base_url=settings.canary_url, timeout=5) as http:
        canary = Canary(clients.postgres, clients.store, clients.lists, http, token, clock)
        await canary.run(settings.canary_every_s)


async def _daily(settings: Settings) -> None:
    clock, mailer = SystemClock(), bootstrap.mailer(settings)
    async with bootstrap.open_daily(settings, clock) as daily:
        await DailyJob(daily, None if mailer is None else mailer.send, clock).run()


async def _admin(settings: Settings) -> None:
    server = Server(
        bootstrap.admin_app(settings),
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
