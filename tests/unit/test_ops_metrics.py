"""Metrics: every one is in the table, with a meaning and a remedy."""

from __future__ import annotations

import re

import pytest
from prometheus_client import REGISTRY

from nova_feed.ops.metrics import NAMESPACE, TABLE, Told, exposition


@pytest.mark.parametrize("told", TABLE, ids=lambda told: told.name)
def test_a_metric_says_what_it_means_and_what_to_do(told: Told) -> None:
    assert told.meaning.endswith(".")
    assert told.remedy.endswith(".")
    assert re.fullmatch(rf"{NAMESPACE}_[a-z_]+", told.name)
    assert all(re.fullmatch(r"[a-z_]+", label) for label in told.labels)


def test_no_two_metrics_share_a_name() -> None:
    assert len({told.name for told in TABLE}) == len(TABLE)


def test_every_metric_of_ours_is_in_the_table_and_the_other_way_round() -> None:
    kinds = {f"{found.name}{'_total' * (found.type == 'counter')}" for found in REGISTRY.collect()}
    assert {name for name in kinds if name.startswith(f"{NAMESPACE}_")} == {told.name for told in TABLE}


def test_the_exposition_explains_every_metric() -> None:
    text = exposition().decode()
    assert all(f"# HELP {told.name} {told.meaning}\n" in text for told in TABLE)
