"""The saturation rule as seen from outside: judge a list by the list alone.

Written straight from the rule's words, sharing no logic with the code that arranges (``diversity``), so that tests and
the audit of served pages do not repeat its mistakes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from nova_feed.ranking.diversity import Saturation


def violations(
    author_ids: Sequence[int], rule: Saturation, *, history: Sequence[int] = (), start: int = 0
) -> list[int]:
    """The places (0 = first of this list) where the rule is broken; ``history`` and ``start`` as in ``saturate``."""
    served = [*history, *author_ids]
    return [
        i
        for i, author in enumerate(author_ids)
        if _breaks(rule, author, served[: len(history) + i], position=start + i)
    ]


def lawful(author_ids: Sequence[int], rule: Saturation, *, history: Sequence[int] = (), start: int = 0) -> bool:
    """Whether at each violation every later post would have violated too: the rule held as far as it could."""
    return not avoidable(author_ids, rule, history=history, start=start)


def avoidable(author_ids: Sequence[int], rule: Saturation, *, history: Sequence[int] = (), start: int = 0) -> list[int]:
    """The violations where a later post could have stood without one."""
    served = [*history, *author_ids]
    return [
        i
        for i in violations(author_ids, rule, history=history, start=start)
        if not all(
            _breaks(rule, later, served[: len(history) + i], position=start + i) for later in set(author_ids[i + 1 :])
        )
    ]


def _breaks(rule: Saturation, author: int, before: Sequence[int], *, position: int) -> bool:
    """Whether this author may not stand at this position of the viewer's list, right after those ``before``."""
    too_near = author in before[max(0, len(before) - rule.distance + 1) :]
    in_top = list(before[max(0, len(before) - position) :]) if position < rule.top else []
    return too_near or in_top.count(author) >= rule.max_in_top
