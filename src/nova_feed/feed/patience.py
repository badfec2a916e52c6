"""How long a page waits for ClickHouse before a timeline answers in its place."""

from __future__ import annotations

from nova_feed.feed.breaker import Breaker

LONG_S, SHORT_S = 1.0, 0.2


def patience_s(breaker: Breaker, *, silent_s: float, waited_s: float, crowded: bool) -> float:
    """For how many seconds a page that has waited so long waits on; none are left when that is not above 0.

    ``silent_s``: how long the oldest question under way has had no answer. A store that is well may be slow once: its
    answer is worth a second. When it has been silent for that long, or failed when it was asked last, whoever comes
    then waits for little more than a store that is well would take. ``crowded``: more wait than one question takes
    along. As long as those are answered one after the other the store is well, and another one would not be quicker:
    a timeline costs as much as a list, and is kept for nobody.
    """
    if breaker.doubted:
        return SHORT_S - waited_s
    left_s = max(SHORT_S - waited_s, LONG_S - silent_s)
    return left_s if crowded else min(left_s, LONG_S - waited_s)
