"""The metrics of the day before, at 01:00 UTC: counted, kept, sent to the team as a table."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import structlog

from nova_feed.clock import Clock
from nova_feed.errors import NovaError
from nova_feed.feed.daily import Daily, Day, report
from nova_feed.ops import metrics
from nova_feed.workers.pace import every

log = structlog.get_logger(__name__)
PERIOD_S, AT = 60.0, timedelta(hours=1)
Send = Callable[[str, str, str, str], None]


class DailyJob:
    """``send(subject, text, file name, file)`` mails; None: nobody is written to."""

    def __init__(self, daily: Daily, send: Send | None, clock: Clock) -> None:
        self._daily, self._send, self._clock = daily, send, clock
        self._done: date | None = None

    async def run(self) -> None:
        """A look every minute, until cancelled."""
        await every(PERIOD_S, "daily", self.step, self._clock)

    async def step(self) -> int:
        """Make the day that is due, unless it is there: 1 when it was made. A worker that starts late makes it then.

        Raises StoreUnavailableError.
        """
        day = due(self._clock.now_ms())
        if day == self._done:
            return 0
        there = await self._daily.stored(day)
        if there is None:
            found = await self._daily.make(day)
            if found.events:
                await self.mail(found)
        self._done = day
        return int(there is None)

    async def mail(self, found: Day) -> bool:
        """Send the report; returns whether it was taken. One that is not is logged and counted, and not tried again."""
        if self._send is None:
            return False
        subject = f"Nova Feed, {found.day}: {found.health}"
        try:
            await asyncio.to_thread(self._send, subject, as_text(found), f"nova-{found.day}.csv", as_csv([found]))
        except NovaError as error:
            metrics.REPORTS.labels("failed").inc()
            log.error("daily.not_sent", day=found.day, reason=str(error))
            return False
        metrics.REPORTS.labels("sent").inc()
        return True


def due(now_ms: int) -> date:
    """The day whose metrics should be there now: yesterday from 01:00 UTC on, the day before until then."""
    return (datetime.fromtimestamp(now_ms / 1000, UTC) - AT).date() - timedelta(days=1)


def as_csv(days: list[Day]) -> str:
    """One line a day, with a header (RFC 4180). What could not be divided is empty."""
    rows = report(days)
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_text(day: Day) -> str:
    """The figures of a day, one a line."""
    rates = {"clicks per impression": day.ctr, "of recommended": day.recommendation_ctr, "deduplicated": day.dedup_rate,
             "minutes the canary came through": day.canary_share}  # fmt: skip
    lines = {
        "health": day.health,
        "active viewers": f"{day.viewers:,}",
        "events": f"{day.events:,}",
        "impressions": f"{day.impressions:,}",
        "clicks": f"{day.clicks:,}",
        **{name: "-" if rate is None else f"{rate:.2%}" for name, rate in rates.items()},
        "dwell P50 / P95": f"{day.dwell_p50_ms / 1000:.1f} s / {day.dwell_p95_ms / 1000:.1f} s" if day.dwells else "-",
    }
    return "\n".join(f"{name:<34}{value}" for name, value in lines.items()) + "\n"
