"""The people: what they care about, how much they are liked, how often and when they are awake.

People are numbered from 0 in the order they joined; a person's user id is the number + 1. The first five are the cast;
the last two in a hundred are newcomers who joined within three days and have done nothing yet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nova_feed.local.sample.draw import Flags, Floats, Ints, Stream
from nova_feed.local.sample.sizes import NetworkSize

CAST = 5
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
_ZONES = np.array([-8, -6, -5, -3, 0, 1, 1, 2, 3, 5, 8, 9, 10], dtype=np.int64)


@dataclass(frozen=True, slots=True)
class People:
    """One entry per person. ``appeal`` and ``activity`` are weights (0: nobody follows; does nothing)."""

    home: Ints
    second: Ints
    appeal: Floats
    activity: Floats
    zone_h: Ints
    joined_ms: Ints

    def __len__(self) -> int:
        return len(self.home)

    @property
    def newcomers(self) -> Flags:
        """Who has only just joined."""
        return np.equal(self.appeal, 0.0)


def make_people(size: NetworkSize, communities: int, stream: Stream, now_ms: int) -> People:
    """The people of a network with this many communities, of which the first are the largest."""
    n = size.users
    crowd = 1.0 / (1.0 + 0.12 * np.arange(communities, dtype=np.float64))
    home, second = stream.chosen(crowd, n), stream.chosen(crowd, n)
    home[:CAST] = np.arange(CAST) % communities
    appeal, activity = _appeal(n, stream), _activity(n, stream)
    return People(home, second, appeal, activity, _ZONES[stream.below(len(_ZONES), n)], _joined(n, stream, now_ms))


def _newcomers(n: int) -> slice:
    return slice(n - n // 50, n)


def _appeal(n: int, stream: Stream) -> Floats:
    appeal = stream.pareto(n, cap=n / 4)
    appeal[:CAST] = np.maximum(appeal[:CAST], 8.0)
    appeal[_newcomers(n)] = 0.0
    return appeal


def _activity(n: int, stream: Stream) -> Floats:
    activity = stream.pareto(n, cap=40.0)
    activity[stream.unit(n) < 0.15] = 0.0
    activity[:CAST] = 6.0
    activity[_newcomers(n)] = 0.0
    return activity


def _joined(n: int, stream: Stream, now_ms: int) -> Ints:
    """Settled people joined 91 days to 3 years ago, before the first post of all."""
    age = 91 * DAY_MS + stream.below(1000 * DAY_MS, n)
    newcomers = _newcomers(n)
    age[newcomers] = stream.below(3 * DAY_MS, n)[newcomers]
    return np.sort(now_ms - age, kind="stable")
