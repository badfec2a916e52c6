"""Random draws that are the same, bit for bit, on every machine and with every Python and NumPy.

NumPy promises the stream of ``PCG64`` for ever but not that of ``Generator``'s methods, and ``exp``, ``log`` and
``pow`` differ in the last bit between processors. So draws are made here from the raw bits, and everything built on
them uses only operations IEEE 754 defines exactly (+ - * / sqrt, comparisons), running sums and stable sorts.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Stream:
    """An independent stream of draws for each ``path`` below one ``seed`` (all of them integers >= 0)."""

    def __init__(self, seed: int, *path: int) -> None:
        self._bits = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=path))

    def raw(self, n: int) -> NDArray[np.uint64]:
        """``n`` words of 64 random bits."""
        return np.asarray(self._bits.random_raw(n), dtype=np.uint64)

    def unit(self, n: int) -> Floats:
        """``n`` floats, uniform in [0, 1)."""
        return (self.raw(n) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def below(self, high: int | Ints, n: int) -> Ints:
        """``n`` integers, uniform in [0, high); ``high`` >= 1 is one number or ``n`` of them."""
        return (self.unit(n) * high).astype(np.int64)

    def pareto(self, n: int, cap: float) -> Floats:
        """``n`` floats >= 1 with P(x > t) = t^(-4/3), cut at ``cap``: a few giants, many dwarfs."""
        root = np.sqrt(1.0 - self.unit(n))
        return np.minimum(1.0 / (root * np.sqrt(root)), cap)

    def chosen(self, weights: Floats, n: int) -> Ints:
        """``n`` indices of ``weights``, each as likely as its weight."""
        return _search(np.cumsum(weights), self.unit(n))

    def shuffled(self, n: int) -> Ints:
        """The numbers 0 to n-1 in random order."""
        return np.argsort(self.raw(n), kind="stable").astype(np.int64)

    def number(self, high: int) -> int:
        """One integer, uniform in [0, high)."""
        return int(self._bits.random_raw() * high >> 64)

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return (self._bits.random_raw() >> 11) * 2.0**-53 < probability


class Groups:
    """Members in groups (``labels``: the group 0..count-1 of each member), picked by weight within their group."""

    def __init__(self, labels: Ints, weights: Floats, count: int) -> None:
        self._members = np.argsort(labels, kind="stable").astype(np.int64)
        self._running = np.cumsum(weights[self._members])
        edges = np.searchsorted(labels[self._members], np.arange(count + 1))
        self._edges = np.concatenate(([0.0], self._running))[edges]

    def pick(self, groups: Ints, stream: Stream) -> Ints:
        """One member of each of ``groups``; from everybody where a group weighs nothing."""
        low, high = self._edges[groups], self._edges[groups + 1]
        empty = high <= low
        low, high = np.where(empty, 0.0, low), np.where(empty, self._running[-1], high)
        point = np.minimum(low + stream.unit(len(groups)) * (high - low), np.nextafter(high, 0.0))
        found: Ints = self._members[np.searchsorted(self._running, point, side="right")]
        return found


def _search(running: Floats, unit: Floats) -> Ints:
    point = np.minimum(unit * running[-1], np.nextafter(running[-1], 0.0))
    return np.asarray(np.searchsorted(running, point, side="right"), dtype=np.int64)
