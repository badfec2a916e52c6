"""Percentiles out of histograms in Prometheus' text format, as its histogram_quantile() has them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Spread:
    """One histogram: (upper bound, how many at or below it), the bounds ascending, the last one infinite."""

    buckets: tuple[tuple[float, float], ...]

    @property
    def count(self) -> float:
        """Of all that was observed."""
        return self.buckets[-1][1] if self.buckets else 0.0

    def quantile(self, share: float) -> float:
        """Linear within the bucket that holds it; the last finite bound when it is above all of them; NaN of none."""
        if not self.count:
            return math.nan
        wanted, below, start = share * self.count, 0.0, 0.0
        for bound, so_many in self.buckets:
            if so_many >= wanted:
                if math.isinf(bound):
                    return start
                inside = so_many - below
                return start + (bound - start) * (wanted - below) / inside if inside else bound
            below, start = so_many, bound
        return start


def spreads(exposition: str, name: str, label: str) -> dict[str, Spread]:
    """The histogram ``name`` by ``label``."""
    found: dict[str, dict[float, float]] = defaultdict(dict)
    for family in text_string_to_metric_families(exposition):
        for sample in family.samples:
            if sample.name == f"{name}_bucket":
                found[sample.labels.get(label, "")][float(sample.labels["le"])] = sample.value
    return {key: Spread(_ascending(buckets.items())) for key, buckets in sorted(found.items())}


def _ascending(buckets: Iterable[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    ordered: Sequence[tuple[float, float]] = sorted(buckets)
    return tuple(ordered)
