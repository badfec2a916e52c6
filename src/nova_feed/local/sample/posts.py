"""The posts: who wrote when about what, and how much each moves people.

Ages follow a smooth law with more weight on the present, thinned by the hour of the author's day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nova_feed.local.sample.draw import Flags, Floats, Ints, Stream
from nova_feed.local.sample.people import DAY_MS, HOUR_MS, People
from nova_feed.local.sample.sizes import NetworkSize

SPAN_MS = 90 * DAY_MS
# How likely a person is to write in each hour of the local day, of 100.
RHYTHM = np.array(
    [14, 8, 4, 3, 3, 6, 18, 38, 55, 60, 58, 60, 72, 66, 55, 52, 56, 66, 80, 92, 100, 94, 66, 34], dtype=np.float64
)
_VIRAL_SHARE = 0.004
_VIRAL_HEAT = 12.0


@dataclass(frozen=True, slots=True)
class Posts:
    """One entry per post in order of time; the post id is the number + 1.

    ``heat`` is the weight with which a post draws likes and comments; ``ignites_ms`` is how long after its birth a
    viral post takes off (0 for the others).
    """

    author: Ints
    created_ms: Ints
    topic: Ints
    heat: Floats
    ignites_ms: Ints

    def __len__(self) -> int:
        return len(self.author)


def make_posts(size: NetworkSize, people: People, stream: Stream, now_ms: int) -> Posts:
    """All posts of the last 90 days, by active people only, at hours when they are awake."""
    author, created_ms = _written(size, people, stream, now_ms)
    n = size.posts
    topic = np.where(stream.unit(n) < 0.8, people.home[author], people.second[author])
    viral = stream.unit(n) < _VIRAL_SHARE
    luck = stream.unit(n)
    heat = stream.pareto(n, cap=40.0) * luck * luck * np.sqrt(people.appeal[author]) * np.where(viral, _VIRAL_HEAT, 1.0)
    ignites_ms = np.where(viral, stream.below(6 * HOUR_MS, n), 0)
    return Posts(author, created_ms, topic, heat, ignites_ms)


def _written(size: NetworkSize, people: People, stream: Stream, now_ms: int) -> tuple[Ints, Ints]:
    authors, times, found = [], [], 0
    while found < size.posts:
        batch = min(size.posts, 500_000)
        author = stream.chosen(people.activity, batch)
        created_ms = now_ms - _ages(batch, size.evenness, stream)
        kept = _awake(people.zone_h[author], created_ms, stream)
        authors.append(author[kept])
        times.append(created_ms[kept])
        found += len(times[-1])
    author, created_ms = np.concatenate(authors)[: size.posts], np.concatenate(times)[: size.posts]
    order = np.argsort(created_ms, kind="stable")
    return author[order], created_ms[order]


def _ages(n: int, evenness: float, stream: Stream) -> Ints:
    """Ages in ms: 90 days * (u^3 + c*u) / (1 + c), dense at the present yet without a spike there."""
    u = stream.unit(n)
    return (SPAN_MS * ((u * u * u + evenness * u) / (1.0 + evenness))).astype(np.int64)


def _awake(zone_h: Ints, created_ms: Ints, stream: Stream) -> Flags:
    hour = (created_ms // HOUR_MS + zone_h) % 24
    awake: Flags = stream.unit(len(hour)) * 100.0 < RHYTHM[hour]
    return awake
