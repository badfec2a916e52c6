"""The crowd: turns what is due at a moment into deeds and batches of events, and puts them into their lanes."""

from __future__ import annotations

from nova_feed.local.sample.lane import Lane
from nova_feed.local.sample.pace import Pacer, Rates
from nova_feed.local.sample.planner import ClientEvent, Deed, Planner
from nova_feed.local.sample.tally import Statistics

BATCH = 100
_LONGEST_WAIT_S = 0.25


class Crowd:
    """What falls due while a lane is full is not done later: it is counted as skipped."""

    def __init__(
        self,
        planner: Planner,
        rates: Rates,
        deeds: Lane[Deed],
        batches: Lane[list[ClientEvent]],
        statistics: Statistics,
        start_s: float,
    ) -> None:
        self._planner, self._deeds, self._batches, self._statistics = planner, deeds, batches, statistics
        self._kinds = (
            ("posts", Pacer(rates.posts_per_s, start_s), planner.write),
            ("likes", Pacer(rates.likes_per_s, start_s), planner.like),
            ("follows", Pacer(rates.follows_per_s, start_s), planner.follow),
            ("comments", Pacer(rates.comments_per_s, start_s), planner.comment),
        )
        self._event_pacer = Pacer(rates.events_per_s, start_s)
        self._buffer: list[ClientEvent] = []
        self._sent_s = start_s

    def step(self, now_s: float, now_ms: int) -> None:
        """Do what fell due since the last step: ``now_s`` is a monotonic time in seconds, ``now_ms`` UTC in ms.

        Full batches of events go at once, the rest when it has waited for 0.25 s.
        """
        for kind, pacer, plan in self._kinds:
            due = pacer.due(now_s)
            doing = min(due, self._deeds.free)
            self._skip(kind, due - doing)
            for _ in range(doing):
                if (deed := plan()) is not None:
                    self._deeds.put(deed)
        self._collect(self._event_pacer.due(now_s), now_ms)
        overdue = now_s - self._sent_s >= _LONGEST_WAIT_S
        self._send(now_s, least=1 if overdue else BATCH)

    def finish(self, now_s: float) -> None:
        """Send the events that still wait for their batch to fill, as far as the lane has room."""
        self._send(now_s, least=1)

    def _collect(self, due: int, now_ms: int) -> None:
        room = max(0, self._batches.free * BATCH - len(self._buffer))
        self._skip("events", due - room)
        self._buffer += self._planner.events(min(due, room), now_ms)

    def _send(self, now_s: float, least: int) -> None:
        while self._batches.free and len(self._buffer) >= least:
            self._batches.put(self._buffer[:BATCH])
            self._buffer = self._buffer[BATCH:]
            self._sent_s = now_s

    def _skip(self, kind: str, count: int) -> None:
        if count > 0:
            self._statistics.skipped[kind] += count
