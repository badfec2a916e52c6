"""What subcommands are given: the folder of a stack, its settings and facts, a console."""

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

from nova_feed import settings as settings_module
from nova_feed.errors import NovaError

HOME = click.option(
    "--home", type=click.Path(path_type=Path, file_okay=False), default=Path(".nova"), show_default=True,
    help="Folder of the local stack: its data, logs and ports.",
)  # fmt: skip
URLS = {"POSTGRES_URL": "postgres_url", "CLICKHOUSE_URL": "clickhouse_url", "KAFKA_BROKERS": "kafka_brokers",
        "REDIS_URL": "redis_url", "NOVA_CONNECT_URL": "connect_url"}  # fmt: skip


def settings_of(home: Path) -> settings_module.Settings:
    """Settings of the stack that runs in ``home``; without one, the environment's."""
    if not (home / "demo.json").exists():
        return settings_module.load()
    here = facts(home)
    from nova_feed.local.secrets import Secrets

    known = {name: here[key] for name, key in URLS.items()} | Secrets(home / "secrets.json").environment()
    return settings_module.load(os.environ | known | {"NOVA_KAFKA_REPLICATION": str(here["kafka_replication"])})


def of_servers(home: Path) -> settings_module.Settings:
    """As ``settings_of``, for what talks to servers. Raises NovaError when nobody said where those are."""
    if not (home / "demo.json").exists() and not any(os.environ.get(name) for name in URLS):
        raise NovaError(f"no stack runs in {home}, and none of {', '.join(URLS)} is set: `nova up` starts a stack")
    return settings_of(home)


def facts(home: Path) -> dict[str, Any]:
    """``demo.json`` of the stack that runs in ``home``. Raises NovaError."""
    path = home / "demo.json"
    if not path.exists():
        raise NovaError(f"no stack runs in {home}: `nova up` starts one")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def console() -> Console:
    """As wide as the terminal, or 120 columns."""
    return Console(width=None if sys.stdout.isatty() else 120)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """The result of one piece of work, on an event loop of its own."""
    return asyncio.run(work)
