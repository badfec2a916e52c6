"""``nova up``: start the whole stack, keep it running, stop it with Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from nova_feed import settings as settings_module
from nova_feed.cache.builds import Builds
from nova_feed.cache.lists import ListCache
from nova_feed.clock import SystemClock
from nova_feed.commands import setup
from nova_feed.commands.down import end_leftovers
from nova_feed.commands.token import mint_for
from nova_feed.local import demo, lock, room
from nova_feed.local.clickhouse_part import keep_merged_parts
from nova_feed.local.cluster import brokers_of
from nova_feed.local.postgres import Postgres
from nova_feed.local.service import until_ready
from nova_feed.local.show import Show, showing
from nova_feed.local.stack import METRICS, Stack
from nova_feed.local.supervisor import Facts, supervise
from nova_feed.ops import logs
from nova_feed.serving.auth import mint
from nova_feed.store.client import Store
from nova_feed.workers.tables import rebuild

FACTS = "demo.json"
TOKEN_LIFE_S = 30 * 86_400
CONSOLE_LIFE_S = 12 * 3_600


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line asked for."""

    home: Path
    demo: bool
    size: str
    port: int | None
    observe: bool = False
    brokers: int | None = None


async def run(options: Options, console: Console) -> None:
    """Start, serve until SIGINT or SIGTERM, stop. Raises NovaError with everything stopped again."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    logs.configure(settings_module.load().log_level, "auto")  # a wrong setting is told before anything starts
    with lock.hold(options.home), room.enough(options.home):
        brokers = brokers_of(options.home, options.brokers, os.environ)  # refused before anything is touched
        # What a killed supervisor left still listens: ended first, so that every part gets its own port back.
        await asyncio.to_thread(end_leftovers, options.home)
        stack = Stack(options.home, brokers, port=options.port, observe=options.observe, demo=options.demo)
        facts = Facts(options.home / FACTS, {})
        facts.remove()
        try:
            starting = asyncio.create_task(_start(stack, options, console))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                facts = Facts(options.home / FACTS, starting.result())
                await supervise(stack, facts, stop)
            starting.cancel()
            stopping.cancel()
            await asyncio.gather(starting, stopping, return_exceptions=True)
        finally:
            facts.remove()
            console.print("stopping ...", style="dim")
            await stack.stop()


async def _start(stack: Stack, options: Options, console: Console) -> dict[str, Any]:
    console.print(f"[bold]Nova Feed[/] in {stack.home}", highlight=False)
    with showing(console, total=(8 if options.demo else 5) + options.observe) as show:
        with show.phase("fetch and verify the Java parts"):
            await asyncio.to_thread(stack.build, show.within)
        with show.phase("start PostgreSQL, Kafka, Connect, ClickHouse, Valkey"):
            versions = await stack.start_servers(show.say)
            await _ensure_database(stack)
        settings = settings_module.load(os.environ | stack.environment())
        with show.phase("migrate, make topics"):
            await setup.migrate(settings)
            await keep_merged_parts(settings.clickhouse_url)
        if options.demo:
            with show.phase(f"load the {options.size} sample network into PostgreSQL"):
                await demo.load_sample(settings.postgres_url, options.size, SystemClock(), show.within)
        with show.phase("register change data capture"):
            await setup.register(settings)
        with show.phase("start API and worker"):
            await _start_apps(stack)
        if stack.observers:
            with show.phase("start Prometheus and Alertmanager"):
                versions |= await stack.start_observers(show.say)
        facts = _facts(stack, settings, versions)
        if options.demo:
            await _first_feed(stack, settings, facts, show, console)
    facts |= {"phases": show.phases, "seconds": show.seconds}
    _tell(facts, settings, console)
    return facts


async def _ensure_database(stack: Stack) -> None:
    postgres = stack.servers["postgres"]
    if isinstance(postgres, Postgres):
        await postgres.ensure_database()


async def _start_apps(stack: Stack) -> None:
    shutil.rmtree(stack.home / METRICS, ignore_errors=True)
    for name in stack.apps:
        (stack.home / METRICS / name).mkdir(parents=True)
    for app in stack.apps.values():
        await asyncio.to_thread(app.start)
    await asyncio.gather(*(until_ready(app) for app in stack.apps.values()))


async def _first_feed(
    stack: Stack, settings: settings_module.Settings, facts: dict[str, Any], show: Show, console: Console
) -> None:
    store = Store(settings.clickhouse_url, name="nova demo", timeout_s=30)
    lists, clock = ListCache.connect(settings.redis_url), SystemClock()
    builds = Builds(lists.client)
    try:
        with show.phase("capture: PostgreSQL -> Kafka -> ClickHouse"):
            await demo.wait_captured(settings.postgres_url, store, show.within)
            for view in demo.VIEWS:
                await rebuild(store, builds, clock, view)
            await demo.forget_lists(lists, store)
    finally:
        await store.close()
        await lists.close()
    with show.phase("first ranked feed"):
        body = await demo.first_feed(stack.apps["api"].url, facts["token"])
    top = "\n".join(
        f"  {post['position'] + 1:>3}. post {post['post_id']:<8} by user {post['author_id']:<6} score {post['score']:.4f}"
        f"  {post['likes']:>4} likes {post['comments']:>3} comments  {', '.join(post['sources'])}"
        for post in body["posts"][:8]
    )
    console.print(
        f"\nThe feed of user {demo.VIEWER}, ranked from {body['total_count']} posts:\n{top}",
        highlight=False,
        soft_wrap=True,
    )


def _facts(stack: Stack, settings: settings_module.Settings, versions: dict[str, str]) -> dict[str, Any]:
    token = mint(
        stack.secrets.jwt, demo.VIEWER, issuer=settings.jwt_issuer, audience=settings.jwt_audience,
        now_ms=SystemClock().now_ms(), life_s=TOKEN_LIFE_S,
    )  # fmt: skip
    return {
        "api_url": stack.apps["api"].url, "admin_url": stack.apps["worker"].url, "token": token, "user_id": demo.VIEWER,
        "postgres_url": settings.postgres_url, "clickhouse_url": settings.clickhouse_url,
        "kafka_brokers": settings.kafka_brokers, "brokers": stack.brokers,
        "kafka_replication": settings.kafka_replication, "redis_url": settings.redis_url, "connect_url": settings.connect_url,
        "versions": versions, "supervisor_pid": os.getpid(), **{f"{n}_url": p.url for n, p in stack.observers.items()},
    }  # fmt: skip


def _tell(facts: dict[str, Any], settings: settings_module.Settings, console: Console) -> None:
    console.print(f"\nready after {facts['seconds']:.1f} s", style="bold green", highlight=False)
    console.print(f"API    {facts['api_url']}   (OpenAPI at /openapi.json)", highlight=False)
    console.print(f"admin  {facts['admin_url']}   (metrics at /metrics)", highlight=False)
    # What stands behind the # no server is sent: the page takes it out of the address and signs in with it.
    shown = f"#token={mint_for(settings, demo.VIEWER, 'admin', CONSOLE_LIFE_S)}" if console.is_terminal else ""
    hint = "" if shown else "   (`nova token 1 --scope admin` prints a token for it)"
    console.print(f"page   {facts['admin_url']}/console{shown}{hint}", highlight=False, soft_wrap=True, markup=False)
    for name in ("prometheus", "alertmanager"):
        if f"{name}_url" in facts:
            console.print(f"{name:<6} {facts[f'{name}_url']}", highlight=False)
    console.print("\nTry it:", highlight=False)
    # A token is shown to the person at the terminal; what goes into a log file says where one is.
    token = facts["token"] if console.is_terminal else "$(nova token 1)"
    curl = f'curl -s -H "Authorization: Bearer {token}" "{facts["api_url"]}/api/v1/feed?limit=5&explain=true"'
    console.print(curl, highlight=False, soft_wrap=True, markup=False)
    console.print(
        "\nCtrl-C or `nova down` stops it; `nova status` shows it; its data stays.\n", style="dim", highlight=False
    )
