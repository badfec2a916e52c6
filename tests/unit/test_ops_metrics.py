"""Metrics: every one is in the table, with a meaning and a remedy."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

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


def in_a_process(folder: Path, code: str) -> str:
    """Run code in a process of its own that shares the folder of metrics; returns what it printed."""
    return subprocess.run(
        [sys.executable, "-c", f"from nova_feed.ops import metrics\n{code}"],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(folder)}, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip


def test_of_a_process_that_is_gone_its_counts_stay_and_what_it_had_under_way_does_not(tmp_path: Path) -> None:
    died = "metrics.EVENTS.labels('accepted').inc(3); metrics.API_ACTIVE.inc(2)"
    in_a_process(tmp_path, f"{died}; metrics.BREAKERS.labels('x', 'open').inc()")
    lives = "metrics.EVENTS.labels('accepted').inc(4); metrics.API_ACTIVE.inc(); print(metrics.exposition().decode())"
    told = in_a_process(tmp_path, lives)
    assert 'nova_feed_events_total{status="accepted"} 7.0\n' in told
    assert "nova_feed_api_active_requests 1.0\n" in told
    assert 'store="x"' not in told


def test_what_has_not_happened_yet_is_told_as_never_rather_than_not_at_all() -> None:
    told = exposition().decode()
    assert f'{NAMESPACE}_fallbacks_total{{reason="timeout",store="clickhouse",surface="feed"}} ' in told
    assert f'{NAMESPACE}_events_total{{status="invalid"}} ' in told
