"""``nova daily``: count a day anew, keep it, show it; as often as one likes, with the same result."""

from __future__ import annotations

from datetime import date

from rich.console import Console

from nova_feed import bootstrap
from nova_feed.clock import SystemClock
from nova_feed.errors import NovaError
from nova_feed.settings import Settings
from nova_feed.workers.daily import DailyJob, as_csv, as_text, due


async def run(settings: Settings, day: date | None, console: Console, *, csv: bool, send: bool) -> None:
    """Print the day (without one: the last that is over) as a table or as CSV. Raises NovaError."""
    clock = SystemClock()
    mailer = bootstrap.mailer(settings)
    post = None if mailer is None else mailer.send
    if send and post is None:
        raise NovaError("--send needs NOVA_SMTP_URL, NOVA_REPORT_FROM and NOVA_REPORT_TO")
    async with bootstrap.open_daily(settings, clock) as daily:
        found = await daily.make(day or due(clock.now_ms()))
        console.print(as_csv([found]) if csv else f"{found.day}\n{as_text(found)}", highlight=False, markup=False, end="",
                      soft_wrap=True)  # fmt: skip
        if send and not await DailyJob(daily, post, clock).mail(found):
            raise NovaError("the report was not sent: the log says why")
