"""``nova admin`` and ``nova profile``: what somebody who operates it changes and looks at."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from nova_feed.commands.context import HOME, console, facts, of_servers, run, settings_of

if TYPE_CHECKING:
    from nova_feed.commands.admin import AdminApi


def ADMIN(command: Callable[..., None]) -> Callable[..., None]:  # noqa: N802  stands where HOME and SIZE do
    """Options of a client of the admin listener, which is given as ``api``."""

    @HOME
    @click.option("--url", help="The admin listener; without it the local stack's, or NOVA_ADMIN_HOST and _PORT.")
    @click.option("--note", default="", help="Why, for the history; without it who you are on this machine.")
    @functools.wraps(command)
    def with_api(home: Path, url: str | None, note: str, **arguments: Any) -> None:
        from nova_feed.commands.admin import api_of

        settings = settings_of(home)
        local = facts(home)["admin_url"] if (home / "demo.json").exists() else None
        at = url or local or f"http://{settings.admin_host}:{settings.admin_port}"
        command(api=api_of(settings, at, note), **arguments)

    return with_api


@click.group()
def admin() -> None:
    """Change flags and configuration while everything runs."""


@admin.command("flags")
@click.argument("name", required=False)
@click.argument("state", required=False, type=click.Choice(["on", "off"]))
@ADMIN
def admin_flags(api: AdminApi, name: str | None, state: str | None) -> None:
    """Show all flags, or one, or set one."""
    from nova_feed.commands import admin as command

    command.flags(api, name, state, console())


@admin.group("config")
def admin_config() -> None:
    """Weights, lifetimes, thresholds."""


@admin_config.command("get")
@ADMIN
def admin_config_get(api: AdminApi) -> None:
    """Show the configuration."""
    from nova_feed.commands import admin as command

    command.config(api, (), console())


@admin_config.command("set")
@click.argument("pairs", nargs=-1, required=True, metavar="NAME=VALUE...")
@ADMIN
def admin_config_set(api: AdminApi, pairs: tuple[str, ...]) -> None:
    """Change some of it, all at once."""
    from nova_feed.commands import admin as command

    command.config(api, pairs, console())


@admin.command("history")
@click.option("--limit", type=click.IntRange(1, 500), default=20, show_default=True)
@ADMIN
def admin_history(api: AdminApi, limit: int) -> None:
    """Show who changed what, and when."""
    from nova_feed.commands import admin as command

    command.history(api, limit, console())


@admin.command("rollback")
@click.argument("version", type=click.IntRange(0))
@ADMIN
def admin_rollback(api: AdminApi, version: int) -> None:
    """Come back to what an earlier version said (0: the settings), as a new version."""
    from nova_feed.commands import admin as command

    command.rollback(api, version, console())


@admin.command("state")
@ADMIN
def admin_state(api: AdminApi) -> None:
    """Show breakers, pools and versions of every process, state of every server, lag (JSON)."""
    from nova_feed.commands import admin as command

    command.state(api, console())


@click.group()
def profile() -> None:
    """Where the time, the memory and the connections go."""


@profile.command("queries")
@HOME
@click.option("--slow-ms", type=click.FloatRange(0), default=500.0, show_default=True, help="What counts as slow.")
@click.option(
    "--hours", type=click.IntRange(1, 168), default=1, show_default=True, help="How far back, in a query_log."
)
@click.option("--all", "everything", is_flag=True, help="Those that were never slow, too.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def profile_queries(home: Path, slow_ms: float, hours: int, everything: bool, as_json: bool) -> None:
    """Slow ClickHouse queries: text, count, P50, P95, P99, rows read."""
    from nova_feed.commands import profile as command

    work = command.queries(
        of_servers(home), console(), slow_ms=slow_ms, hours=hours, everything=everything, as_json=as_json
    )
    run(work)


@profile.command("keys")
@HOME
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def profile_keys(home: Path, as_json: bool) -> None:
    """Valkey's keys by family: count, bytes, TTL; exit 1 when one has no family or no TTL."""
    from nova_feed.commands import profile as command

    if not run(command.keys(of_servers(home), console(), as_json=as_json)):
        sys.exit(1)


@profile.command("pools")
@HOME
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def profile_pools(home: Path, as_json: bool) -> None:
    """PostgreSQL's connections: by whom, in use or waiting, and how long requests wait for one."""
    from nova_feed.commands import profile as command

    settings = of_servers(home)
    here = facts(home) if (home / "demo.json").exists() else {}
    urls = [
        here.get("api_url", f"http://{settings.http_host}:{settings.http_port}"),
        here.get("admin_url", f"http://{settings.admin_host}:{settings.admin_port}"),
    ]
    run(command.pools(settings, urls, console(), as_json=as_json))
