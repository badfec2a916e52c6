"""The composition root: the only place that builds clients, and the list of what each process is made of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial

import asyncpg
from starlette.applications import Starlette

from nova_feed import settings as settings_module
from nova_feed.cache.discovery import DiscoveryCache
from nova_feed.cache.lists import ListCache
from nova_feed.cache.seen import SeenCache
from nova_feed.capture.connect_api import ConnectApi
from nova_feed.capture.connector import connector_config
from nova_feed.clock import Clock, SystemClock
from nova_feed.errors import SettingsError
from nova_feed.feed import engagement, hints
from nova_feed.feed.cursor import CursorSigner
from nova_feed.feed.inspect import PostFacts
from nova_feed.feed.people import People
from nova_feed.feed.rules import Rules
from nova_feed.feed.service import FeedService
from nova_feed.feed.sources import Sources
from nova_feed.feed.suggestions import Suggestions
from nova_feed.feed.timeline import Timeline
from nova_feed.feed.trending import Trending
from nova_feed.ingest.accept import Acceptor
from nova_feed.ingest.publish import Publisher
from nova_feed.ops import logs, pools
from nova_feed.ops.health import Check
from nova_feed.ranking import Saturation, Weights
from nova_feed.serving.app import create_app
from nova_feed.serving.auth import TokenVerifier
from nova_feed.serving.keys import key_source
from nova_feed.serving.state import ApiState
from nova_feed.settings import Settings
from nova_feed.store.client import Store
from nova_feed.stream.admin import broker_version
from nova_feed.stream.producer import EventProducer

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Clients:
    """One client of each server, shared by all that runs in a process. ``reads`` is the fallback's own small pool."""

    postgres: asyncpg.Pool
    reads: asyncpg.Pool
    store: Store
    lists: ListCache
    connect: ConnectApi
    producer: EventProducer

    def checks(self, settings: Settings) -> Mapping[str, Check]:
        """A health check per server."""
        return {
            "postgres": lambda: _postgres_version(self.reads),
            "clickhouse": self.store.version,
            "kafka": lambda: asyncio.to_thread(broker_version, settings.kafka_brokers),
            "valkey": self.lists.version,
        }


@asynccontextmanager
async def open_clients(settings: Settings, name: str) -> AsyncIterator[Clients]:
    """Make the clients of one process. Nothing is connected yet: a process starts whatever is up."""
    async with AsyncExitStack() as stack:
        producer = EventProducer(settings.kafka_brokers)
        stack.callback(producer.close)
        store = Store(settings.clickhouse_url, timeout_s=settings.clickhouse_timeout_s, name=name)
        stack.push_async_callback(store.close)
        lists = ListCache.connect(settings.redis_url, feed_ttl_s=settings.feed_ttl_s, list_ttl_s=settings.list_ttl_s)
        stack.push_async_callback(lists.close)
        connect = ConnectApi(settings.connect_url)
        stack.push_async_callback(connect.close)
        postgres = await stack.enter_async_context(_pool(settings, name, size=8, statement_ms=5_000))
        reads = await stack.enter_async_context(_pool(settings, f"{name} reads", size=8, statement_ms=500))
        stack.callback(asyncio.create_task(pools.watch({name: postgres, f"{name} reads": reads})).cancel)
        yield Clients(postgres, reads, store, lists, connect, producer)


def _pool(settings: Settings, name: str, *, size: int, statement_ms: int) -> asyncpg.Pool:
    return asyncpg.create_pool(
        settings.postgres_url, min_size=0, max_size=size, timeout=2, command_timeout=10,
        server_settings={"application_name": name, "statement_timeout": str(statement_ms)},
    )  # fmt: skip


async def _postgres_version(pool: asyncpg.Pool) -> str:
    return str(await pool.fetchval("SHOW server_version"))


def check(settings: Settings) -> None:
    """Raises SettingsError when no API could be made of these settings: told before anything starts."""
    key_source(settings, SystemClock())
    _signer(settings)
    _weights(settings)


def _signer(settings: Settings) -> CursorSigner:
    secret = settings.cursor_secret.get_secret_value()
    if not secret:
        raise SettingsError("NOVA_CURSOR_SECRET must be set: at least 32 characters, the same on every API host")
    return CursorSigner(secret)


def _weights(settings: Settings) -> Weights:
    try:
        return Weights(settings.weight_freshness, settings.weight_engagement, settings.weight_affinity)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def feed_service(settings: Settings, clients: Clients, clock: Clock) -> FeedService:
    """The feed over these clients. Raises SettingsError."""
    return FeedService(
        sources=Sources(clients.store, clock),
        timeline=Timeline(clients.reads),
        rules=Rules(clients.reads, clients.store),
        facts=PostFacts(clients.reads),
        lists=clients.lists,
        seen=SeenCache(clients.lists.client),
        signer=_signer(settings),
        clock=clock,
        weights=_weights(settings),
        saturation=Saturation(),
    )


def trending(clients: Clients, clock: Clock) -> Trending:
    """What trends, over these clients."""
    return Trending(
        count=partial(engagement.from_clickhouse, clients.store),
        recent=partial(engagement.from_postgres, clients.reads),
        rules=Rules(clients.reads, clients.store),
        cache=DiscoveryCache(clients.lists.client),
        clock=clock,
        saturation=Saturation(),
    )


def suggestions(clients: Clients, clock: Clock) -> Suggestions:
    """Whom to follow, over these clients."""
    return Suggestions(
        hints=hints.ClickHouseHints(clients.store, clock).read,
        fallback=partial(hints.from_postgres, clients.reads),
        people=People(clients.reads, clients.store),
        cache=DiscoveryCache(clients.lists.client),
        clock=clock,
    )


@asynccontextmanager
async def open_api(settings: Settings, clock: Clock, *, host: str, name: str = "nova api") -> AsyncIterator[ApiState]:
    """What one API worker holds."""
    verifier = TokenVerifier(
        key_source(settings, clock), issuer=settings.jwt_issuer, audience=settings.jwt_audience, clock=clock
    )
    async with open_clients(settings, name) as clients:
        publisher = Publisher(clients.postgres, clients.producer)
        sweeper = asyncio.create_task(publisher.sweep())
        try:
            yield ApiState(
                feed=feed_service(settings, clients, clock),
                trending=trending(clients, clock),
                suggestions=suggestions(clients, clock),
                acceptor=Acceptor(clients.postgres),
                publisher=publisher,
                seen=SeenCache(clients.lists.client),
                verifier=verifier,
                checks=clients.checks(settings),
                clock=clock,
                show_metrics=host in LOOPBACK,
            )
        finally:
            sweeper.cancel()
            await asyncio.to_thread(clients.producer.flush, 5)
            await publisher.sweep_once()


def asgi() -> Starlette:
    """The application of an API worker; what Granian loads in each of its processes."""
    settings = settings_module.load()
    logs.configure(settings.log_level, settings.log_format)
    return api_app(settings, settings.http_host)


def api_app(settings: Settings, host: str) -> Starlette:
    """The application, listening on ``host``."""
    clock = SystemClock()
    origins = [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]
    return create_app(lambda: open_api(settings, clock, host=host), clock, origins)


def connector(settings: Settings) -> dict[str, str]:
    """The connector's configuration under these settings."""
    return connector_config(settings.cdc_postgres_url or settings.postgres_url)
