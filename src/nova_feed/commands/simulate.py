"""``nova simulate``: the sample network's people go on living, against the running stack."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from typing import Any

import asyncpg
import httpx
from rich.console import Console

from nova_feed.clock import SystemClock
from nova_feed.commands.token import mint_for
from nova_feed.local.sample.live import App, simulate
from nova_feed.local.sample.pace import Rates
from nova_feed.local.sample.tally import Statistics
from nova_feed.settings import Settings

SERVICE_USER = 1


async def run(
    settings: Settings, facts: Mapping[str, Any], rate: float, seconds: float | None, seed: int, console: Console
) -> None:
    """Until ``seconds`` are over or Ctrl-C. Prints one line a second."""
    stop = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    token = mint_for(settings, SERVICE_USER, "service", 86_400)
    async with (
        asyncpg.create_pool(settings.postgres_url, min_size=0, max_size=8, command_timeout=10) as pool,
        httpx.AsyncClient(timeout=10) as http,
    ):
        app = App(pool, http, facts["api_url"], lambda: token)
        await simulate(
            app, Rates.scaled(rate), duration_s=seconds, seed=seed, clock=SystemClock(), stop=stop,
            report=lambda statistics: _line(statistics, console),
        )  # fmt: skip


def _line(statistics: Statistics, console: Console) -> None:
    changes = ", ".join(f"{count:,} {kind}s" for kind, count in statistics.changes.most_common())
    answers = ", ".join(f"{count:,} {kind}" for kind, count in statistics.answers.items() if count)
    errors = "".join(f"  [red]{count:,} times {what}[/]" for what, count in statistics.errors.items())
    late = sum(statistics.skipped.values())
    console.print(
        f"{statistics.elapsed_s:6.0f} s   app: {changes or 'nothing yet'}   events: {answers or 'none yet'}"
        f"{f'   {late:,} fell behind' if late else ''}{errors}",
        highlight=False, soft_wrap=True,
    )  # fmt: skip
