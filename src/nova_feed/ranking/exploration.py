"""Exploration: in the list of a viewer of whom nothing is known, a small share of the places is drawn by lot.

Fresh posts of new authors have no engagement, so the score alone would never show them to anybody. Every ``EVERY``-th
place goes to one of them; which, is drawn uniformly without replacement, by a hash of post and seed: pure, independent
of the order of rows, and the same when it is asked again with the same seed. The *propensity* of a post that was drawn
is the probability with which it was, places / posts: what an estimate from logged impressions has to divide by (Horvitz
and Thompson 1952).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from nova_feed.ranking.arrays import Flags, Ints

EVERY = 10
"""One place in so many: the declared share is 1 / EVERY."""


@dataclass(frozen=True, slots=True, eq=False)
class Blend:
    """``order``: rows in the order in which they are to stand, before saturation; ``left``: rows that were not drawn.
    ``propensity``: of every row in ``order``, 0 where the score alone decided."""

    order: Ints
    left: Ints
    propensity: float
    drawn: Flags


def blend(order: Ints, explored: Flags, post_id: Ints, seed: int) -> Blend:
    """Let posts that only exploration proposes stand at every ``EVERY``-th place.

    ``order``: rows, best first; ``explored`` and ``post_id``: of every row of the candidates. With nothing but such
    posts all of them are drawn. Which rows there are does not change: order + left is a permutation of what came in.
    """
    by_score, pool = order[~explored[order]], order[explored[order]]
    places = len(by_score) // (EVERY - 1) if len(by_score) else len(pool)
    count = min(places, len(pool))
    lots = np.lexsort((post_id[pool], _hash(post_id[pool], seed)))
    drawn, left = pool[lots[:count]], pool[lots[count:]]
    at = np.minimum((np.arange(count) + 1) * (EVERY - 1), len(by_score))
    mixed = np.insert(by_score, at, drawn)
    flags = np.insert(np.zeros(len(by_score), dtype=np.bool_), at, np.ones(count, dtype=np.bool_))
    return Blend(mixed, left, count / len(pool) if len(pool) else 0.0, flags)


def _hash(post_id: Ints, seed: int) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """64 well mixed bits of each post under a seed (splitmix64, Vigna 2015)."""
    mixed = post_id.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed & (2**64 - 1))
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
