"""What the feed tells of itself to whoever operates it: look-ups, the stages of a ranking, their seconds."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter

from nova_feed.clock import Clock
from nova_feed.ops import metrics, tracing
from nova_feed.ranking import Ranked

_lookups = functools.cache(metrics.CACHE_LOOKUPS.labels)
_seconds = functools.cache(metrics.RANKING_SECONDS.labels)
_posts = functools.cache(metrics.RANKING_POSTS.labels)
_removed = functools.cache(metrics.DEDUP_REMOVED.labels)


def looked_up(cache: str, level: str) -> None:
    """A look-up of ``cache`` was answered by ``level``: local, valkey, outdated, miss, away."""
    _lookups(cache, level).inc()


@contextmanager
def timed(stage: str, clock: Clock) -> Iterator[None]:
    """Time a stage of a ranking, however it ends."""
    start = clock.monotonic()
    try:
        with tracing.span(stage):
            yield
    finally:
        _seconds(stage).observe(clock.monotonic() - start)


def tell_ranking(ranked: Ranked, *, had: int, again: Ranked | None, seconds: float) -> None:
    """One ranking. ``had``: rows the viewer had seen; they come ``again`` at its end when there was too little else."""
    _seconds("rank").observe(seconds)
    stages = {count.stage: (count.entered, count.kept) for count in ranked.counts}
    entered = stages["merge"][0] + had
    back = 0 if again is None else had
    for stage, (came, kept) in {"seen": (entered, entered - had + back), **stages}.items():
        for outcome, posts in (("in", came), ("kept", kept), ("removed", came - kept)):
            _add(_posts(stage, outcome), posts)
    came, kept = stages["merge"]
    _add(_removed("duplicate"), came - kept)
    _add(_removed("seen"), had - back)


def _add(counter: Counter, posts: int) -> None:
    if posts:  # to add nothing costs as much as to add
        counter.inc(posts)
