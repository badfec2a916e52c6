"""Whose first pages another list answers by now, as Valkey tells it: a process need not ask about the others.

A page in memory is of the list that answered first pages when Valkey was asked last. Since then another process may
have ranked a newer one, or the list may have had its time. Valkey tells of each such key (``cache/tracking.py``), and
answers a question on the same connection now and then: what was written before it has been told when that is answered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from nova_feed.clock import Clock

MOST = 50_000  # viewers told of that are remembered: of whoever was confirmed before them nothing is known any more


class Firsts:
    """Takes what Valkey tells. All times are monotonic seconds of this process."""

    def __init__(self, clock: Clock, stirred: Callable[[], None] = lambda: None) -> None:
        """``stirred()`` is called when somebody was told of."""
        self._clock, self._stirred = clock, stirred
        self._news: set[int] = set()
        self._changed: dict[int, float] = {}  # viewer -> when that was told, the latest at the end
        self._since = float("inf")  # of who was confirmed later, every change is told
        self._until = float("-inf")  # what was written by then has been told

    def began(self) -> None:
        """From now on every change is told. What came before may have been missed."""
        self._since = self._until = self._clock.monotonic()
        self._changed.clear()

    def changed(self, viewers: Iterable[int]) -> None:
        """Another list answers these viewers' first pages, or none does."""
        now = self._clock.monotonic()
        for viewer in viewers:
            self._changed.pop(viewer, None)
            self._changed[viewer] = now
            self._news.add(viewer)
        while len(self._changed) > MOST:
            oldest = next(iter(self._changed))
            self._since = self._changed.pop(oldest)
        if self._news:
            self._stirred()

    def news(self) -> set[int]:
        """Who was told of since this was asked last."""
        news, self._news = self._news, set()
        return news

    def all_changed(self) -> None:
        """Everything was removed."""
        self._since = self._clock.monotonic()

    def heard(self, until: float) -> None:
        """What was written until then has been told."""
        self._until = max(self._until, until)

    def told_of(self, viewer: int, confirmed: float) -> bool:
        """Whether this viewer's list was told of, since it was ``confirmed``."""
        return self._changed.get(viewer, float("-inf")) >= confirmed

    def known_at(self, confirmed: float) -> float:
        """Until when it is known whether a list that was ``confirmed`` then is told of."""
        return max(confirmed, self._until) if confirmed > self._since else confirmed
