"""``nova``: every process and tool of the product, one subcommand each, listed by hand."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from nova_feed import __version__
from nova_feed import settings as settings_module
from nova_feed.errors import NovaError

HOME = click.option(
    "--home", type=click.Path(path_type=Path, file_okay=False), default=Path(".nova"), show_default=True,
    help="Folder of the local stack: its data, logs and ports.",
)  # fmt: skip
SIZE = click.option("--size", type=click.Choice(["small", "medium", "large"]), default="small", show_default=True)
URLS = {"POSTGRES_URL": "postgres_url", "CLICKHOUSE_URL": "clickhouse_url", "KAFKA_BROKERS": "kafka_brokers",
        "REDIS_URL": "redis_url", "NOVA_CONNECT_URL": "connect_url"}  # fmt: skip


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nova")
def nova() -> None:
    """Real-time, personalised feeds for apps on PostgreSQL."""


@nova.command()
@HOME
@SIZE
@click.option("--demo", is_flag=True, help="Load the sample network and show one viewer's feed.")
@click.option("--detach", is_flag=True, help="Return when everything is ready; `nova down` stops it.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the API; without it 8080 or a free one.")
def up(home: Path, size: str, demo: bool, detach: bool, port: int | None) -> None:
    """Start the whole stack on this machine."""
    from nova_feed.commands import detach as detached
    from nova_feed.commands import up as command

    options = command.Options(home, demo, size, port)
    if detach:
        detached.run(options, Console())
    else:
        _run(command.run(options, Console()))


@nova.command()
@HOME
def down(home: Path) -> None:
    """Stop the local stack; its data stays."""
    from nova_feed.commands import down as command

    command.down(home, Console())


@nova.command()
@HOME
@click.confirmation_option("--yes", prompt="This removes all data of the local stack. Go on?")
def reset(home: Path) -> None:
    """Stop the local stack and remove its data."""
    from nova_feed.commands import down as command

    command.reset(home, Console())


@nova.command()
@HOME
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def status(home: Path, as_json: bool) -> None:
    """Show every part: state, version, port, memory, restarts, lag."""
    from nova_feed.commands import status as command

    if not _run(command.show(home, _console(), as_json=as_json)):
        sys.exit(1)


@nova.command()
def api() -> None:
    """Serve the HTTP API (settings from the environment)."""
    from nova_feed.commands import api as command

    command.run(settings_module.load())


@nova.command()
def worker() -> None:
    """Run the jobs beside the API, and the admin listener (settings from the environment)."""
    from nova_feed.commands import worker as command
    from nova_feed.ops import logs

    settings = settings_module.load()
    logs.configure(settings.log_level, settings.log_format)
    _run(command.run(settings))


@nova.command()
@HOME
@click.option("--dry-run", is_flag=True, help="Only say what would be applied.")
def migrate(home: Path, dry_run: bool) -> None:
    """Bring PostgreSQL, Kafka and ClickHouse to the present schema."""
    from nova_feed.commands import setup

    for server, names in _run(setup.migrate(_of_servers(home), dry_run=dry_run)).items():
        click.echo(f"{server}: {', '.join(names) or 'nothing to do'}")


@nova.group()
def cdc() -> None:
    """Change data capture: PostgreSQL to ClickHouse."""


@cdc.command("status")
@HOME
def cdc_status(home: Path) -> None:
    """Show connector, slot, publication and lag."""
    from nova_feed.commands import cdc as command

    if not _run(command.show_status(_of_servers(home), _console())):
        sys.exit(1)


@cdc.command("verify")
@HOME
def cdc_verify(home: Path) -> None:
    """Compare row counts and checksums of every table; exit 1 when they differ."""
    from nova_feed.commands import cdc as command

    if not _run(command.show_verify(_of_servers(home), _console())):
        sys.exit(1)


@cdc.command("register")
@HOME
def cdc_register(home: Path) -> None:
    """Register the connector, or bring its configuration up to date."""
    from nova_feed.commands import setup

    _run(setup.register(_of_servers(home)))
    click.echo("the connector runs")


@nova.group()
def events() -> None:
    """Client events: is each counted, and counted once?"""


@events.command("verify")
@HOME
@click.option("--hours", type=click.IntRange(1, 168), default=24, show_default=True, help="How far back.")
@click.option("--wait", is_flag=True, help="Until nothing is pending, for up to 20 s.")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def events_verify(home: Path, hours: int, wait: bool, as_json: bool) -> None:
    """Print the ledger: accepted = stored + pending; exit 1 when it does not add up."""
    from nova_feed.commands import events as command

    if not _run(command.show_verify(_of_servers(home), _console(), hours, wait=wait, as_json=as_json)):
        sys.exit(1)


@events.command("replay")
@HOME
@click.option("--from", "since", required=True, help='"beginning", or a time like 2026-11-25T08:00:00Z.')
def events_replay(home: Path, since: str) -> None:
    """Let ClickHouse read the events again; exit 1 when that changed a count."""
    from nova_feed.commands import events as command

    if not _run(command.replay(_of_servers(home), since, _console())):
        sys.exit(1)


@nova.command()
@HOME
@click.argument("user_id", type=click.IntRange(1))
@click.option("--scope", default="", help="Scopes, separated by spaces: service, admin.")
@click.option("--life", "life_s", type=click.IntRange(1), default=86_400, show_default=True, help="Seconds.")
def token(home: Path, user_id: int, scope: str, life_s: int) -> None:
    """Mint a token of a user, for development (HS256 with NOVA_JWT_SECRET)."""
    from nova_feed.commands import token as command

    click.echo(command.mint_for(_settings(home), user_id, scope, life_s))


@nova.command()
@HOME
@click.option(
    "--rate", type=click.FloatRange(0.1), default=50.0, show_default=True, help="Actions a second, all kinds."
)
@click.option("--seconds", type=click.FloatRange(1), help="How long; without it until Ctrl-C.")
@click.option("--seed", type=int, default=1, show_default=True)
def simulate(home: Path, rate: float, seconds: float | None, seed: int) -> None:
    """Be the app's users: post, like, follow, comment, and send events."""
    from nova_feed.commands import simulate as command

    _run(command.run(_settings(home), _facts(home), rate, seconds, seed, _console()))


@nova.group()
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
        _of_servers(home), _console(), slow_ms=slow_ms, hours=hours, everything=everything, as_json=as_json
    )
    _run(work)


@profile.command("keys")
@HOME
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def profile_keys(home: Path, as_json: bool) -> None:
    """Valkey's keys by family: count, bytes, TTL; exit 1 when one has no family or no TTL."""
    from nova_feed.commands import profile as command

    if not _run(command.keys(_of_servers(home), _console(), as_json=as_json)):
        sys.exit(1)


@profile.command("pools")
@HOME
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
def profile_pools(home: Path, as_json: bool) -> None:
    """PostgreSQL's connections: by whom, in use or waiting, and how long requests wait for one."""
    from nova_feed.commands import profile as command

    settings = _of_servers(home)
    here = _facts(home) if (home / "demo.json").exists() else {}
    urls = [
        here.get("api_url", f"http://{settings.http_host}:{settings.http_port}"),
        here.get("admin_url", f"http://{settings.admin_host}:{settings.admin_port}"),
    ]
    _run(command.pools(settings, urls, _console(), as_json=as_json))


@nova.command(hidden=True)
def docs() -> None:
    """Write the documents that follow from the code, below the present folder."""
    from nova_feed.commands import docs as command

    for path in command.write(Path.cwd()):
        click.echo(f"wrote {path}")


def _settings(home: Path) -> settings_module.Settings:
    """Settings of the stack that runs in ``home``; without one, the environment's."""
    if not (home / "demo.json").exists():
        return settings_module.load()
    facts = _facts(home)
    from nova_feed.local.secrets import Secrets

    known = {name: facts[key] for name, key in URLS.items()} | Secrets(home / "secrets.json").environment()
    return settings_module.load(os.environ | known | {"NOVA_KAFKA_REPLICATION": "1"})


def _of_servers(home: Path) -> settings_module.Settings:
    """As ``_settings``, for what talks to servers. Raises NovaError when nobody said where those are."""
    if not (home / "demo.json").exists() and not any(os.environ.get(name) for name in URLS):
        raise NovaError(f"no stack runs in {home}, and none of {', '.join(URLS)} is set: `nova up` starts a stack")
    return _settings(home)


def _facts(home: Path) -> dict[str, Any]:
    path = home / "demo.json"
    if not path.exists():
        raise NovaError(f"no stack runs in {home}: `nova up` starts one")
    facts: dict[str, Any] = json.loads(path.read_text())
    return facts


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 120)


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


# A server's own words, raised by its client, are as good as ours; anything else is a bug, and shows its traceback.
_CLIENTS = frozenset({"asyncpg", "clickhouse_connect", "cimpl", "confluent_kafka", "httpx", "redis"})


def main() -> None:
    """The entry point: a failure that has a name is one sentence and exit code 1."""
    try:
        nova(standalone_mode=True)
    except Exception as error:
        leaves = _leaves(error)
        if not all(_has_name(leaf) for leaf in leaves):
            raise
        for leaf in leaves:
            text = str(leaf) or type(leaf).__name__
            click.echo(f"nova: {text if isinstance(leaf, NovaError) else text.splitlines()[0]}", err=True)
        sys.exit(1)


def _has_name(error: BaseException) -> bool:
    return isinstance(error, NovaError | OSError) or type(error).__module__.partition(".")[0] in _CLIENTS


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in _leaves(part)]
    return [error]


if __name__ == "__main__":
    main()
