"""How much people do per second, and when it is due: an open loop that no slow server holds back."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rates:
    """Per second: rows the app writes, and events its clients send. Raises ValueError when one is negative."""

    posts_per_s: float
    likes_per_s: float
    follows_per_s: float
    comments_per_s: float
    events_per_s: float

    def __post_init__(self) -> None:
        if min(self.posts_per_s, self.likes_per_s, self.follows_per_s, self.comments_per_s, self.events_per_s) < 0:
            raise ValueError("a rate cannot be negative")

    @property
    def changes_per_s(self) -> float:
        """Rows of all kinds the app writes."""
        return self.posts_per_s + self.likes_per_s + self.follows_per_s + self.comments_per_s

    @classmethod
    def scaled(cls, total_rate: float) -> Rates:
        """A believable mix that adds up to ``total_rate`` per second: of 100, 85 are client events and 10 likes."""
        return cls(
            posts_per_s=0.01 * total_rate,
            likes_per_s=0.10 * total_rate,
            follows_per_s=0.01 * total_rate,
            comments_per_s=0.03 * total_rate,
            events_per_s=0.85 * total_rate,
        )


class Pacer:
    """Says how many of a kind are due. What is missed is caught up with, but never more than one second's worth."""

    def __init__(self, per_s: float, start_s: float) -> None:
        self._per_s, self._last_s, self._owed = per_s, start_s, 0.0

    def due(self, now_s: float) -> int:
        """How many fell due since the last call, by a monotonic clock in seconds; they are owed no more."""
        self._owed = min(self._owed + self._per_s * (now_s - self._last_s), max(self._per_s, 1.0))
        self._last_s = now_s
        whole = int(self._owed)
        self._owed -= whole
        return whole
