"""Who gets how many, and of whom: exact shares of a total, and distinct pairs that fill them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nova_feed.local.sample.draw import Flags, Floats, Ints

Propose = Callable[[Ints, int], Ints]
Allow = Callable[[Ints, Ints], Flags]
_ROUNDS = 400


def apportion(weights: Floats, total: int, cap: int) -> Ints:
    """Whole numbers in proportion to ``weights`` (>= 0) that add up to ``total``, none above ``cap`` + 1.

    What the heavy ones may not take goes to the others. Raises ValueError when ``cap`` leaves no room for ``total``.
    """
    steps = np.floor(np.cumsum(_capped(weights, total, cap)) + 0.5)
    steps[-1] = total
    return np.diff(steps, prepend=0.0).astype(np.int64)


def _capped(weights: Floats, total: int, cap: int) -> Floats:
    """Real shares: the k heaviest get ``cap``, the rest divide what remains, with the smallest k that fits."""
    heavy_first = np.sort(weights[weights > 0.0], kind="stable")[::-1]
    if total > cap * len(heavy_first):
        raise ValueError(f"{total} cannot be shared out with at most {cap} each")
    rest = np.cumsum(heavy_first[::-1])[::-1]
    scale = (total - cap * np.arange(len(rest), dtype=np.float64)) / rest
    fits = heavy_first * scale <= cap * (1 + 1e-9)
    share: Floats = np.minimum(weights * scale[np.argmax(fits)], cap)
    return share


def distinct_pairs(quota: Ints, width: int, propose: Propose, allow: Allow) -> tuple[Ints, Ints]:
    """Rows and columns of distinct pairs, sorted by row: exactly ``quota[r]`` columns in [0, width) for each row r.

    ``propose(rows, attempt)`` names a column for each row and must grow more liberal with ``attempt``; ``allow(rows,
    columns)`` says which pairs may be. Raises ValueError when the quotas cannot be filled.
    """
    kept = np.empty(0, dtype=np.int64)
    missing = quota
    for attempt in range(_ROUNDS):
        rows = np.repeat(np.arange(len(quota), dtype=np.int64), missing)
        if not len(rows):
            return kept // width, kept % width
        columns = propose(rows, attempt)
        fine = allow(rows, columns)
        kept = np.union1d(kept, rows[fine] * width + columns[fine])
        missing = quota - np.bincount(kept // width, minlength=len(quota))
    raise ValueError(f"{int(missing.sum())} pairs of {int(quota.sum())} could not be found")
