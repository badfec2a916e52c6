"""Trending: one list for everybody, in the order of engagement within a window, and what one viewer is shown of it.

    score = likes + 2 comments + 3 shares, all within the window                        (task list T055)

Equal scores stand newest first, then by post id. Of one author ``PER_AUTHOR`` posts are kept: as many as the saturation
rule lets a longest page have, so that nobody can push everybody else out of the list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from nova_feed.ranking.diversity import saturate

if TYPE_CHECKING:
    from nova_feed.ranking.arrays import Flags, Ints
    from nova_feed.ranking.candidates import Candidates
    from nova_feed.ranking.diversity import Saturation

COMMENT_WEIGHT, SHARE_WEIGHT = 2, 3
KEPT = 500
PER_AUTHOR = 34


@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """Rows of the list in the order shown, and where the saturation rule was relaxed."""

    rows: Ints
    relaxed: Flags


def engagement(candidates: Candidates) -> Ints:
    """The score of every row. Counts are those of the window, each below 2**60."""
    return candidates.likes + COMMENT_WEIGHT * candidates.comments + SHARE_WEIGHT * candidates.shares


def trend(candidates: Candidates, *, most: int = KEPT, per_author: int = PER_AUTHOR) -> Candidates:
    """The list: the best ``most`` rows, best first, at most ``per_author`` of an author, none with a score of 0."""
    order = np.lexsort((candidates.post_id, candidates.created_ms, engagement(candidates)))[::-1]
    listed = candidates.take(order[engagement(candidates)[order] > 0])
    return listed.take(np.flatnonzero(_occurrence(listed.author_id) < per_author)[:most])


def show(trending: Candidates, allowed: Flags, rule: Saturation, *, limit: int) -> Shown:
    """The first ``limit`` of the allowed rows, arranged by the rule; ``relaxed`` where it could not be kept."""
    rows = np.flatnonzero(allowed)
    arranged = saturate(trending.author_id[rows], rule)
    return Shown(rows[arranged.order[:limit]], arranged.relaxed[:limit])


def _occurrence(values: Ints) -> Ints:
    """For each element, how many equal ones stand before it."""
    if not len(values):
        return np.empty(0, dtype=np.int64)
    order = np.argsort(values, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(values[order]) != 0))
    lengths = np.diff(np.append(starts, len(values)))
    found = np.empty(len(values), dtype=np.int64)
    found[order] = np.arange(len(values)) - np.repeat(starts, lengths)
    return found
