"""What people did on a day: counts from ClickHouse, and the rates that follow from them.

A day counts by the time of its events, each event once, so it comes out the same whenever it is counted, but for events
that were sent late (up to a day). Kept in ClickHouse by the worker's job, in Valkey for whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime

import msgspec
import structlog

from nova_feed.cache.daily import DailyCache
from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.model import CANARY_AUTHOR, CANARY_VIEWER
from nova_feed.store.client import Store
from nova_feed.store.native import Columns

log = structlog.get_logger(__name__)
CACHED, STORED, COMPUTED = "cached", "stored", "computed"
SHORT_TTL_S = 60  # of a day that is not over, or was not kept by the job yet
MINUTES = 1440
OK, DEGRADED = 0.99, 0.9  # shares of the day's minutes


class Day(msgspec.Struct, frozen=True):
    """The counts of a day (UTC). A rate is None when there was nothing to divide by."""

    day: str
    as_of_ms: int
    events: int
    distinct_events: int
    viewers: int
    impressions: int
    clicks: int
    engagements: int
    recommended_impressions: int
    recommended_clicks: int
    dwells: int
    dwell_p50_ms: int
    dwell_p95_ms: int
    canary_minutes: int

    @property
    def ctr(self) -> float | None:
        """Clicks per impression."""
        return _rate(self.clicks, self.impressions)

    @property
    def recommendation_ctr(self) -> float | None:
        """The same, of posts of authors whom the viewer does not follow: what trending and affinity proposed."""
        return _rate(self.recommended_clicks, self.recommended_impressions)

    @property
    def conversion_rate(self) -> float | None:
        """Likes, comments and shares reported by clients, per click."""
        return _rate(self.engagements, self.clicks)

    @property
    def dedup_rate(self) -> float | None:
        """The share of counted events that are no second copy of another: 1 is right."""
        return _rate(self.distinct_events, self.events)

    @property
    def canary_share(self) -> float | None:
        """The share of the day's minutes in which the canary's event came through; None without a canary."""
        return _rate(self.canary_minutes, MINUTES) if self.canary_minutes else None

    @property
    def health(self) -> str:
        """``ok``, ``degraded`` or ``bad``, from the canary's minutes; ``unknown`` without one."""
        share = self.canary_share
        return "unknown" if share is None else "ok" if share >= OK else "degraded" if share >= DEGRADED else "bad"


COUNTS = tuple(name for name in Day.__struct_fields__ if name not in {"day", "as_of_ms"})
RATES = ("ctr", "recommendation_ctr", "conversion_rate", "dedup_rate", "canary_share", "health")
_KEEP = f"INSERT INTO daily_metrics (day, as_of_ms, {', '.join(COUNTS)}) VALUES ({{}})"  # noqa: S608  names of ours


class Daily:
    """Raises StoreUnavailableError when ClickHouse does not answer; without Valkey it goes on."""

    def __init__(self, store: Store, cache: DailyCache, clock: Clock) -> None:
        self._store, self._cache, self._clock = store, cache, clock

    def today(self) -> date:
        """The day that is not over yet, UTC."""
        return datetime.fromtimestamp(self._clock.now_ms() / 1000, UTC).date()

    async def of(self, day: date) -> tuple[Day, str]:
        """A day, and where it came from: cached, stored, or computed for whoever asks."""
        try:
            body = await self._cache.get(day)
            if body:
                return msgspec.json.decode(body, type=Day), CACHED
        except (StoreUnavailableError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            log.warning("daily.not_read", reason=str(error))
        found = await self.stored(day) if day < self.today() else None
        if found is not None:
            await self._remember(day, found)
            return found, STORED
        found = await self.count(day)
        await self._remember(day, found, SHORT_TTL_S)
        return found, COMPUTED

    async def stored(self, day: date) -> Day | None:
        """What the job kept of a day, None when it has not yet."""
        rows = await self._store.select("daily_stored", day=day)
        return _day(day, int(rows["as_of_ms"][0]), rows) if len(rows["as_of_ms"]) else None

    async def count(self, day: date) -> Day:
        """Count a day anew; nothing is kept."""
        rows = await self._store.select("daily", day=day, canaries=[CANARY_AUTHOR, CANARY_VIEWER])
        return _day(day, self._clock.now_ms(), rows)

    async def make(self, day: date) -> Day:
        """Count a day anew, and keep it."""
        found = await self.count(day)
        values = (f"'{day.isoformat()}'", str(found.as_of_ms), *(str(getattr(found, name)) for name in COUNTS))
        await self._store.command(_KEEP.format(", ".join(values)))
        await self._remember(day, found, None if day < self.today() else SHORT_TTL_S)
        return found

    async def _remember(self, day: date, found: Day, ttl_s: int | None = None) -> None:
        body = msgspec.json.encode(found)
        try:
            await (self._cache.put(day, body) if ttl_s is None else self._cache.put(day, body, ttl_s))
        except StoreUnavailableError as error:
            log.warning("daily.not_cached", reason=error.reason)


def report(days: list[Day]) -> list[Mapping[str, str | int | float | None]]:
    """Rows for a person or a spreadsheet: every count and every rate of each day."""
    return [{name: getattr(day, name) for name in ("day", *COUNTS, *RATES)} for day in days]


def _day(day: date, as_of_ms: int, rows: Columns) -> Day:
    return Day(day.isoformat(), as_of_ms, **{name: int(rows[name][0]) for name in COUNTS})


def _rate(part: int, whole: int) -> float | None:
    return round(part / whole, 6) if whole else None
