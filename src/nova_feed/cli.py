"""``nova``: every process and tool of the product, one subcommand each, listed by hand."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console

from nova_feed import __version__
from nova_feed import settings as settings_module
from nova_feed.commands import operate
from nova_feed.commands.context import HOME, console, facts, of_servers, run, settings_of
from nova_feed.errors import NovaError
from nova_feed.ops import logs

SIZE = click.option("--size", type=click.Choice(["small", "medium", "large"]), default="small", show_default=True)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="nova")
def nova() -> None:
    """Real-time, personalised feeds for apps on PostgreSQL."""
    logs.configure("warning", "auto")  # stdout is for what a command answers


@nova.command()
@HOME
@SIZE
@click.option("--demo", is_flag=True, help="Load the sample network and show one viewer's feed.")
@click.option("--detach", is_flag=True, help="Return when everything is ready; `nova down` stops it.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the API; without it 8080 or a free one.")
@click.option(
    "--brokers", type=click.Choice([1, 3]), help="Kafka brokers, for good; without it the home's own number, or 1."
)
@click.option("--observe", is_flag=True, help="Also start Prometheus and Alertmanager, which must be installed.")
def up(
    home: Path, size: str, demo: bool, detach: bool, port: int | None, brokers: int | None, observe: bool
) -> None:  # fmt: skip
    """Start the whole stack on this machine."""
    from nova_feed.commands import detach as detached
    from nova_feed.commands import up as command

    options = command.Options(home, demo, size, port, observe, brokers)
    if detach:
        detached.run(options, Console())
    else:
        run(command.run(options, Console()))


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

    if not run(command.show(home, console(), as_json=as_json)):
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

    settings = settings_module.load()
    logs.configure(settings.log_level, settings.log_format)
    run(command.run(settings))


@nova.command()
@HOME
@click.option("--dry-run", is_flag=True, help="Only say what would be applied.")
def migrate(home: Path, dry_run: bool) -> None:
    """Bring PostgreSQL, Kafka and ClickHouse to the present schema."""
    from nova_feed.commands import setup

    for server, names in run(setup.migrate(of_servers(home), dry_run=dry_run)).items():
        click.echo(f"{server}: {', '.join(names) or 'nothing to do'}")


@nova.group()
def cdc() -> None:
    """Change data capture: PostgreSQL to ClickHouse."""


@cdc.command("status")
@HOME
def cdc_status(home: Path) -> None:
    """Show connector, slot, publication and lag."""
    from nova_feed.commands import cdc as command

    if not run(command.show_status(of_servers(home), console())):
        sys.exit(1)


@cdc.command("verify")
@HOME
def cdc_verify(home: Path) -> None:
    """Compare row counts and checksums of every table; exit 1 when they differ."""
    from nova_feed.commands import cdc as command

    if not run(command.show_verify(of_servers(home), console())):
        sys.exit(1)


@cdc.command("register")
@HOME
def cdc_register(home: Path) -> None:
    """Register the connector, or bring its configuration up to date."""
    from nova_feed.commands import setup

    run(setup.register(of_servers(home)))
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

    if not run(command.show_verify(of_servers(home), console(), hours, wait=wait, as_json=as_json)):
        sys.exit(1)


@events.command("replay")
@HOME
@click.option("--from", "since", required=True, help='"beginning", or a time like 2026-11-25T08:00:00Z.')
def events_replay(home: Path, since: str) -> None:
    """Let ClickHouse read the events again; exit 1 when that changed a count."""
    from nova_feed.commands import events as command

    if not run(command.replay(of_servers(home), since, console())):
        sys.exit(1)


@nova.command()
@HOME
@click.argument("user_id", type=click.IntRange(1))
@click.option("--scope", default="", help="Scopes, separated by spaces: service, admin.")
@click.option("--life", "life_s", type=click.IntRange(1), default=86_400, show_default=True, help="Seconds.")
def token(home: Path, user_id: int, scope: str, life_s: int) -> None:
    """Mint a token of a user, for development (HS256 with NOVA_JWT_SECRET)."""
    from nova_feed.commands import token as command

    click.echo(command.mint_for(settings_of(home), user_id, scope, life_s))


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

    run(command.run(settings_of(home), facts(home), rate, seconds, seed, console()))


@nova.command()
@HOME
@click.option("--date", "day", type=click.DateTime(["%Y-%m-%d"]), help="UTC; without it the last day that is over.")
@click.option("--csv", is_flag=True, help="For spreadsheets.")
@click.option("--send", is_flag=True, help="Also mail the report.")
def daily(home: Path, day: datetime | None, csv: bool, send: bool) -> None:
    """Count what people did on a day, keep it, and show it."""
    from nova_feed.commands import daily as command

    run(command.run(of_servers(home), day.date() if day else None, console(), csv=csv, send=send))


@nova.command()
@HOME
@click.option("--viewers", type=click.IntRange(1), default=1000, show_default=True, help="How many people's feeds.")
@click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True, help="Posts a page.")
@click.option("--algo", type=click.Choice(["ch", "timeline"]), default="ch", show_default=True)
def audit(home: Path, viewers: int, limit: int, algo: str) -> None:
    """Read many feeds to the end and judge every page, as JSON; exit 1 when a law is broken or a feed unreadable."""
    from nova_feed.commands import audit as command

    report = run(command.run(settings_of(home), facts(home), viewers, limit, algo, Console(stderr=True)))
    click.echo(json.dumps(report.as_payload(), indent=1))
    if not report.lawful:
        sys.exit(1)


nova.add_command(operate.admin)
nova.add_command(operate.profile)


@nova.command(hidden=True)
def docs() -> None:
    """Write the documents that follow from the code, below the present folder."""
    from nova_feed.commands import docs as command

    for path in command.write(Path.cwd()):
        click.echo(f"wrote {path}")


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
