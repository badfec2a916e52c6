"""Percentiles out of an exposition."""

from __future__ import annotations

import math

import pytest

from nova_feed.commands.histograms import Spread, spreads

INF = math.inf


def exposition(pool: str, *buckets: tuple[str, int]) -> str:
    lines = [f'wait_seconds_bucket{{pool="{pool}",le="{bound}"}} {count}' for bound, count in buckets]
    return "\n".join(["# TYPE wait_seconds histogram", *lines, ""])


ONE = exposition("a", ("0.1", 50), ("0.2", 100), ("+Inf", 100))


def test_a_quantile_is_linear_within_its_bucket() -> None:
    spread = spreads(ONE, "wait_seconds", "pool")["a"]
    assert spread.count == 100
    assert [spread.quantile(share) for share in (0.25, 0.5, 0.75, 1)] == pytest.approx([0.05, 0.1, 0.15, 0.2])


def test_what_lies_above_all_bounds_is_told_as_the_last_of_them() -> None:
    assert Spread(((0.1, 1.0), (INF, 10.0))).quantile(0.99) == 0.1


def test_of_nothing_there_is_no_quantile() -> None:
    assert math.isnan(Spread(()).quantile(0.5))
    assert math.isnan(Spread(((0.1, 0.0), (INF, 0.0))).quantile(0.5))


def test_other_metrics_and_labels_are_left_alone() -> None:
    two = (
        ONE
        + exposition("b", ("0.1", 1), ("+Inf", 1))
        + "# TYPE other histogram\n"
        + 'other_bucket{pool="a",le="1"} 3\n'
    )
    assert {key: spread.count for key, spread in spreads(two, "wait_seconds", "pool").items()} == {"a": 100, "b": 1}
