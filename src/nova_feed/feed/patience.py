"""How long a page waits for ClickHouse before a timeline answers in its place."""

from __future__ import annotations

from nova_feed.feed.breaker import Breaker

LONG_S, SHORT_S = 1.0, 0.2


def patience_s(breaker: Breaker, longest_s: float) -> float:
    """Seconds. ``longest_s``: how long the oldest question under way has had no answer.

    A store that is well may be slow once: its answer is worth a second. When it has been silent for that long, or
    failed when it was asked last, whoever comes then waits for little more than a store that is well would take.
    """
    return SHORT_S if breaker.doubted else max(SHORT_S, LONG_S - longest_s)
