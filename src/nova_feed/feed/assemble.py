"""Cut a page from a frozen list: drop what the rules forbid now, keep the saturation rule, remember where we stand.

The rows consumed are one contiguous stretch of the list, so a position is enough to go on from, and nothing repeats or
is skipped. Within the page the survivors are arranged anew: a removal may have brought two posts of an author together.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import numpy as np

from nova_feed.feed.frozen import FrozenList
from nova_feed.feed.rules import PageRules
from nova_feed.ranking import Saturation, saturate

ReadRules = Callable[[Sequence[int], Sequence[int]], Awaitable[PageRules]]
SPARE = 20  # rows whose rules are read along, so that a few removals cost no second read


@dataclass(frozen=True, slots=True)
class Cut:
    """Rows of the list in the order shown, where the rule was relaxed, and the position of the next page.

    ``current``: whether every rule was read from where it holds from its commit on.
    """

    rows: tuple[int, ...]
    relaxed: tuple[bool, ...]
    position: int
    removed: int
    current: bool = True


async def cut(
    frozen: FrozenList,
    read: ReadRules,
    *,
    position: int,
    served: int,
    tail: Sequence[int],
    limit: int,
    rule: Saturation,
) -> Cut:
    """The next ``limit`` rows that may be shown, from ``position`` on; fewer at the end of the list."""
    kept: list[int] = []
    at, current = position, True
    while len(kept) < limit and at < len(frozen):
        stretch = range(at, min(len(frozen), at + limit - len(kept) + SPARE))
        allowed, known = await _allowed(frozen, stretch, read)
        current = current and known
        for row in stretch:
            at = row + 1
            if row in allowed:
                kept.append(row)
                if len(kept) == limit:
                    break
    arranged = saturate(
        frozen.candidates.author_id[np.array(kept, dtype=np.int64)], rule, history=tuple(tail), start=served
    )
    rows = tuple(kept[i] for i in arranged.order.tolist())
    return Cut(rows, tuple(arranged.relaxed.tolist()), at, at - position - len(kept), current)


async def _allowed(frozen: FrozenList, rows: range, read: ReadRules) -> tuple[set[int], bool]:
    part = slice(rows.start, rows.stop)
    posts = frozen.candidates.post_id[part].tolist()
    authors = frozen.candidates.author_id[part].tolist()
    followed = frozen.followed[part].tolist()
    rules = await read(posts, list(set(authors)))
    judged = zip(rows, posts, authors, followed, strict=True)
    return {row for row, post, author, was in judged if rules.allows(post, author, was_followed=was)}, rules.current
