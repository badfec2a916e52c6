"""So much work a second, and no more: a token bucket."""

from __future__ import annotations

from nova_feed.clock import Clock


class Allowance:
    """``per_s`` takes a second, of which a second's worth may come at once."""

    def __init__(self, clock: Clock, *, per_s: float) -> None:
        self._clock, self._per_s = clock, per_s
        self._left, self._at = per_s, clock.monotonic()

    def take(self, cost: float = 1) -> bool:
        """Whether one more, that counts as ``cost``, is allowed now; takes it if so."""
        now = self._clock.monotonic()
        self._left = min(self._per_s, self._left + (now - self._at) * self._per_s)
        self._at = now
        if self._left < cost:
            return False
        self._left -= cost
        return True
