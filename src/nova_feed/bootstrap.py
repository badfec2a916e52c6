"""The composition root: the only place that builds clients, and the list of what each process is made of."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg
from starlette.routing import Route
from starlette.types import ASGIApp

from nova_feed import settings as settings_module
from nova_feed.cache.backlogs import Backlogs
from nova_feed.cache.builds import Builds
from nova_feed.cache.daily import DailyCache
from nova_feed.cache.discovery import DiscoveryCache
from nova_feed.cache.lists import ListCache
from nova_feed.cache.seen import SeenCache
from nova_feed.cache.tracking import Tracking
from nova_feed.capture.connect_api import ConnectApi
from nova_feed.capture.connector import connector_config
from nova_feed.clock import Clock, SystemClock
from nova_feed.errors import SettingsError
from nova_feed.feed import engagement, hints
from nova_feed.feed.behind import keep_known
from nova_feed.feed.changes import TOPICS as CHANGES
from nova_feed.feed.copies import Copies
from nova_feed.feed.cursor import CursorSigner
from nova_feed.feed.daily import Daily
from nova_feed.feed.inspect import PostFacts
from nova_feed.feed.known import KnownViewers
from nova_feed.feed.measures import PostMeasures
from nova_feed.feed.nearby import NearbyLists
from nova_feed.feed.people import People
from nova_feed.feed.rules import Rules
from nova_feed.feed.service import FeedService
from nova_feed.feed.sources import Sources
from nova_feed.feed.suggestions import Suggestions
from nova_feed.feed.timeline import Timeline
from nova_feed.feed.trending import Trending
from nova_feed.ingest.accept import Acceptor
from nova_feed.ingest.publish import Publisher
from nova_feed.ops import logs, pools, processes, tracing
from nova_feed.ops.access import AccessLog
from nova_feed.ops.health import Check
from nova_feed.runtime import Live, Runtime
from nova_feed.runtime.change import Changes as RuntimeChanges
from nova_feed.runtime.follow import Follower
from nova_feed.runtime.table import RuntimeTable
from nova_feed.serving.admin_openapi import ADMIN_OPENAPI
from nova_feed.serving.admin_routes import ADMIN_ROUTES
from nova_feed.serving.app import create_app
from nova_feed.serving.auth import TokenVerifier
from nova_feed.serving.charge import limits
from nova_feed.serving.debug_routes import DEBUG_ROUTES
from nova_feed.serving.feed_routes import make_first
from nova_feed.serving.hot import PATH
from nova_feed.serving.keys import key_source
from nova_feed.serving.pressure import Pressure
from nova_feed.serving.sample_routes import SAMPLE_ROUTES
from nova_feed.serving.state import Admin, ApiState
from nova_feed.settings import Settings
from nova_feed.store.client import Store
from nova_feed.stream.admin import broker_version
from nova_feed.stream.lag import LagReader
from nova_feed.stream.producer import EventProducer
from nova_feed.stream.tail import Tail
from nova_feed.workers import levels, runner
from nova_feed.workers.mail import Mailer

# Objects of requests under way are looked at once in so many new ones: in a loaded process there are thousands of them
# at any time, and to look at them every 700 takes it 8 % of its time. Old objects are looked at as often as else, or
# what only that frees would grow to hundreds of MB, and be freed in one long pause.
YOUNG, MIDDLE, OLD = 10_000, 5, 2
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
    live: Live

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
    """Make the clients of one process, which follows the runtime's versions from now on. It starts whatever is up."""
    async with AsyncExitStack() as stack:
        if settings.otel_endpoint:
            stop = tracing.start(settings.otel_endpoint, settings.otel_ratio, f"{name} {os.getpid()}")
            stack.push_async_callback(asyncio.to_thread, stop)
        producer = EventProducer(settings.kafka_brokers)
        stack.callback(producer.close)
        store = Store(settings.clickhouse_url, timeout_s=settings.clickhouse_timeout_s, name=name)
        stack.push_async_callback(store.close)
        live = Live(defaults(settings))
        lists = ListCache.connect(settings.redis_url, ttls=lambda: (live.now.feed_ttl_s, live.now.list_ttl_s))
        stack.push_async_callback(lists.close)
        connect = ConnectApi(settings.connect_url)
        stack.push_async_callback(connect.close)
        postgres = await stack.enter_async_context(_pool(settings, name, size=8, statement_ms=5_000))
        reads = await stack.enter_async_context(_pool(settings, f"{name} reads", size=8, statement_ms=500))
        watching = asyncio.create_task(pools.watch({"writes": postgres, "reads": reads}))
        stack.callback(watching.cancel)
        await stack.enter_async_context(_following(Follower(RuntimeTable(reads), live)))
        yield Clients(postgres, reads, store, lists, connect, producer, live)


@asynccontextmanager
async def _following(follower: Follower) -> AsyncIterator[None]:
    await follower.first()
    stop = asyncio.Event()
    running = asyncio.create_task(runner.run({"runtime follower": follower.run}, stop))
    try:
        yield
    finally:
        stop.set()
        await running


def _pool(settings: Settings, name: str, *, size: int, statement_ms: int) -> asyncpg.Pool:
    """Nothing but statements and transactions run on it, no session's settings, cursors or locks: between two uses
    nothing need be reset, which would be a question more for each."""
    return asyncpg.create_pool(
        settings.postgres_url, min_size=0, max_size=size, timeout=2, command_timeout=10,
        server_settings={"application_name": name, "statement_timeout": str(statement_ms)},
        reset=_nothing,
    )  # fmt: skip


async def _nothing(_: object) -> None: ...


async def _postgres_version(pool: asyncpg.Pool) -> str:
    return str(await pool.fetchval("SHOW server_version"))


def check(settings: Settings) -> None:
    """Raises SettingsError when no API could be made of these settings: told before anything starts."""
    key_source(settings, SystemClock())
    mailer(settings)
    _signer(settings)
    _lists_folder(settings)
    defaults(settings)
    if settings.otel_endpoint and not tracing.available():
        raise SettingsError("NOVA_OTEL_ENDPOINT: traces need the extra otel: pip install 'nova-feed[otel]'")


def _signer(settings: Settings) -> CursorSigner:
    secret = settings.cursor_secret.get_secret_value()
    if not secret:
        raise SettingsError("NOVA_CURSOR_SECRET must be set: at least 32 characters, the same on every API host")
    return CursorSigner(secret)


def _lists_folder(settings: Settings) -> Path | None:
    """Of the lists of this host, private to whoever made it. Raises SettingsError when nothing can be written there."""
    if not settings.lists_dir:
        return None
    folder = Path(settings.lists_dir)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"NOVA_LISTS_DIR must be a folder, or where one can be made: {error}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise SettingsError(f"NOVA_LISTS_DIR must be a folder that this user can write: {folder} is not")
    return folder


def defaults(settings: Settings) -> Runtime:
    """Version 0: what holds until the first change. Raises SettingsError."""
    try:
        return Runtime(
            weight_freshness=settings.weight_freshness,
            weight_engagement=settings.weight_engagement,
            weight_affinity=settings.weight_affinity,
            feed_ttl_s=settings.feed_ttl_s,
            list_ttl_s=settings.list_ttl_s,
        )
    except ValueError as error:
        raise SettingsError(str(error)) from error


def feed_service(
    settings: Settings, clients: Clients, clock: Clock, renewed: Callable[[int], None] = lambda _: None,
    known: KnownViewers | None = None, busy: Callable[[], bool] = lambda: False,
) -> FeedService:  # fmt: skip
    """The feed over these clients; ``renewed``, ``busy``, ``known``: FeedService's, Sources'. Raises SettingsError."""
    return FeedService(
        sources=Sources(clients.store, clock, known),
        builds=Builds(clients.lists.client),
        timeline=Timeline(clients.reads),
        rules=Rules(clients.reads, clients.store, clock),
        facts=PostFacts(clients.reads),
        lists=clients.lists,
        nearby=NearbyLists(_lists_folder(settings), clock, lambda: clients.live.now.list_ttl_s),
        seen=SeenCache(clients.lists.client),
        signer=_signer(settings),
        clock=clock,
        runtime=clients.live,
        renewed=renewed,
        busy=busy,
    )


def trending(clients: Clients, clock: Clock) -> Trending:
    """What trends, over these clients."""
    return Trending(
        count=partial(engagement.from_clickhouse, clients.store),
        recent=partial(engagement.from_postgres, clients.reads),
        rules=Rules(clients.reads, clients.store, clock),
        cache=DiscoveryCache(clients.lists.client),
        clock=clock,
        runtime=clients.live,
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
async def open_daily(settings: Settings, clock: Clock) -> AsyncIterator[Daily]:
    """The metrics of a day, over clients of their own: to count a day may take a minute."""
    lists = ListCache.connect(settings.redis_url)
    store = Store(settings.clickhouse_url, timeout_s=60, name="nova daily")
    try:
        yield Daily(store, DailyCache(lists.client), clock)
    finally:
        await store.close()
        await lists.close()


def mailer(settings: Settings) -> Mailer | None:
    """Who sends the daily report, None when nobody is to be written to. Raises SettingsError."""
    recipients = tuple(name.strip() for name in settings.report_to.split(",") if name.strip())
    url = settings.smtp_url.get_secret_value()
    told = (url, settings.report_from, recipients)
    if any(told) and not all(told):
        raise SettingsError("NOVA_SMTP_URL, NOVA_REPORT_FROM and NOVA_REPORT_TO belong together: set all or none")
    return Mailer(url, settings.report_from, recipients) if all(told) else None


@asynccontextmanager
async def open_api(
    settings: Settings, clock: Clock, *, host: str, name: str = "nova api", admin: bool = False
) -> AsyncIterator[ApiState]:
    """What one API worker holds; with ``admin`` what the admin listener holds."""
    verifier = TokenVerifier(key_source(settings, clock), issuer=settings.jwt_issuer, audience=settings.jwt_audience,
                             clock=clock)  # fmt: skip
    async with open_clients(settings, name) as clients:
        publisher, live, pressure = Publisher(clients.postgres, clients.producer), clients.live, Pressure(clock)
        copies = Copies(clock, version=lambda: live.now.version, list_ttl_s=lambda: live.now.list_ttl_s)
        known, access = KnownViewers(clock), AccessLog(settings.log_level, settings.log_format, PATH)
        state = ApiState(
            feed=feed_service(settings, clients, clock, copies.renewed, known, lambda: pressure.high),
            trending=trending(clients, clock),
            suggestions=suggestions(clients, clock),
            acceptor=Acceptor(clients.postgres),
            publisher=publisher,
            seen=SeenCache(clients.lists.client),
            daily=Daily(clients.store, DailyCache(clients.lists.client), clock),
            verifier=verifier,
            limits=limits(settings, Backlogs(clients.lists.client).spend, clock),
            copies=copies,
            access=access,
            pressure=pressure,
            checks=clients.checks(settings),
            clock=clock,
            show_metrics=host in LOOPBACK,
            admin=_admin(settings, clients, clock) if admin else None,
        )
        copies.changes.tell(known.touched, known.forget)
        tail, tracking = Tail(settings.kafka_brokers, CHANGES), Tracking(settings.redis_url)
        jobs = (
            publisher.sweep(),
            access.run(),
            pressure.watch(),
            tail.run(copies.changes.handle, copies.changes.missed),
            keep_known(copies, state.feed, partial(make_first, state), clients.reads, tracking, clock),
            processes.keep_telling(name, lambda: _told(state, clients), processes.folder()),
        )
        behind = [asyncio.create_task(job) for job in jobs]
        gc.collect()  # once now, and never again of what is there for good: 120 ms of a pause each
        gc.freeze()
        gc.set_threshold(YOUNG, MIDDLE, OLD)
        try:
            yield state
        finally:
            for task in behind:
                task.cancel()
            await asyncio.gather(*behind, return_exceptions=True)
            await asyncio.to_thread(clients.producer.flush, 5)
            await publisher.sweep_once()


def _admin(settings: Settings, clients: Clients, clock: Clock) -> Admin:
    reader = LagReader(settings.kafka_brokers)

    async def lag(group: str) -> Mapping[str, int]:
        return await asyncio.to_thread(reader.read, group)

    return Admin(
        changes=RuntimeChanges(RuntimeTable(clients.reads), clients.live),
        live=clients.live,
        lists=clients.lists,
        measures=PostMeasures(clients.reads, clients.store),
        lag=lambda: levels.lag_or_none(lag),
        outbox=lambda: levels.pending_or_none(clients.reads, clock.now_ms()),
        write=lambda sql, values: clients.postgres.fetchval(sql, *values, timeout=2),
    )


def _told(state: ApiState, clients: Clients) -> dict[str, object]:
    """What a process says of itself."""
    surfaces: dict[str, FeedService | Trending | Suggestions] = {
        "feed": state.feed,
        "trending": state.trending,
        "suggestions": state.suggestions,
    }
    guarded = ((surface, breaker) for surface, of in surfaces.items() for breaker in (of.clickhouse, of.valkey))
    breakers = {f"{surface} {breaker.store}": breaker.state for surface, breaker in guarded}
    pools = {
        name: {"size": pool.get_size(), "idle": pool.get_idle_size(), "most": pool.get_max_size()}
        for name, pool in (("postgres", clients.postgres), ("postgres reads", clients.reads))
    }
    live = clients.live
    return {
        "runtime_version": live.now.version, "runtime_refused": live.refused, "breakers": breakers, "pools": pools,
    }  # fmt: skip


def asgi() -> ASGIApp:
    """The application of an API worker; what Granian loads in each of its processes."""
    settings = settings_module.load()
    logs.configure(settings.log_level, settings.log_format)
    return api_app(settings, settings.http_host)


def api_app(settings: Settings, host: str) -> ASGIApp:
    """The application, listening on ``host``."""
    clock = SystemClock()
    return create_app(
        lambda: open_api(settings, clock, host=host), clock, _origins(settings), traced=bool(settings.otel_endpoint)
    )


def admin_app(settings: Settings) -> ASGIApp:
    """The application on the admin listener: all of the API, and what only the scope ``admin`` may ask for."""
    clock, host = SystemClock(), settings.admin_host
    return create_app(
        lambda: open_api(settings, clock, host=host, name="nova admin", admin=True), clock, more=admin_routes(settings)
    )


def admin_routes(settings: Settings) -> list[Route]:
    """What the admin listener has beside the API."""
    return [*ADMIN_ROUTES, *DEBUG_ROUTES, ADMIN_OPENAPI, *(SAMPLE_ROUTES if settings.sample_writes else ())]


def _origins(settings: Settings) -> list[str]:
    return [origin.strip() for origin in settings.cors_origins.split(",") if origin.strip()]


def connector(settings: Settings) -> dict[str, str]:
    """The connector's configuration under these settings."""
    return connector_config(settings.cdc_postgres_url or settings.postgres_url)
