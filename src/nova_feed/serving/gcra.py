"""The generic cell rate algorithm: a quota of units in a window, spent in a burst or evenly, in one number of state.

The state is a backlog: what was spent and has not been earned back yet, as the time (seconds) that earning it takes.
A unit is ``window / units`` seconds of backlog; a request is allowed while the backlog with it fits into the window. So
within any ``t`` seconds at most ``units + units / window * t`` are allowed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

_ROUNDING = 1e-6  # of a unit: sums of floats are not exact


@dataclass(frozen=True, slots=True)
class Quota:
    """``units`` within ``window_s`` seconds; as many may be spent at once."""

    units: int
    window_s: float = 60.0

    @property
    def interval_s(self) -> float:
        """Seconds in which one unit is earned back."""
        return self.window_s / self.units

    @property
    def chunk(self) -> int:
        """What a process may spend before it tells the others: a hundredth, at least one unit."""
        return max(1, self.units // 100)


class Verdict(NamedTuple):
    """What is told to who asked. ``wait_s``: 0 when allowed; else until as much would be allowed if nobody asks before.

    ``remaining``: units that could be spent now; ``full_in_s``: seconds until all of the quota could be.
    """

    quota: Quota
    wait_s: float
    remaining: int
    full_in_s: float

    @property
    def allowed(self) -> bool:
        return self.wait_s == 0


def judge(quota: Quota, backlog_s: float, units: int) -> Verdict:
    """Whether ``units`` more may be spent on top of a backlog, and what is left afterwards. Changes nothing."""
    interval_s = quota.interval_s
    after_s = backlog_s + units * interval_s
    over_s = after_s - quota.window_s
    if over_s > interval_s * _ROUNDING:
        return Verdict(quota, over_s, _left(quota, backlog_s), backlog_s)
    return Verdict(quota, 0.0, _left(quota, after_s), after_s)


def _left(quota: Quota, backlog_s: float) -> int:
    return max(0, int((quota.window_s - backlog_s) * quota.units / quota.window_s + _ROUNDING))
