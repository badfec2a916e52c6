"""The dashboards: what Grafana is given is what the code says, and asks for metrics that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import deploy.grafana.build as build
import pytest
from deploy.grafana.panels import BOARDS, Board

from nova_feed.ops.metrics import TABLE

BOTH = pytest.mark.parametrize("name", BOARDS)
SUFFIXES = ("_bucket", "_count", "_sum")
WANTED = {  # what the specification asks of each dashboard (T091 to T093)
    "feed-health": ("feed_duration_seconds", "cache_lookups", "ch_query_duration", "consumer_lag_seconds", "5.."),
    "data-pipeline": ("events_total", "cdc_lag_seconds", "ch_counters_age", 'status="duplicate"', "partition_lag"),
    "system-health": ("postgres_pool", "part_up", "valkey_memory", "kafka_consumer_lag", "breakers"),
}


def expressions(board: Board) -> list[str]:
    return [query.expr for panel in board.panels for query in panel.queries]


@BOTH
def test_the_json_of_a_dashboard_is_the_one_the_code_makes(name: str) -> None:
    """Otherwise: make docs."""
    assert (build.FOLDER / f"{name}.json").read_text() == build.documents()[f"{name}.json"]


def test_there_is_no_dashboard_that_no_code_makes() -> None:
    assert {path.name for path in build.FOLDER.iterdir()} == set(build.documents())


@BOTH
def test_every_panel_asks_for_metrics_of_ours_and_says_what_is_right(name: str) -> None:
    known = {told.name for told in TABLE}
    for panel in BOARDS[name].panels:
        assert panel.right
        for query in panel.queries:
            asked = {
                next((found.removesuffix(end) for end in SUFFIXES if found.removesuffix(end) in known), found)
                for found in re.findall(r"nova_feed_\w+", query.expr)
            }
            assert asked or query.expr.startswith("up{")
            assert asked <= known


@BOTH
def test_a_dashboard_answers_what_the_specification_asks(name: str) -> None:
    text = "\n".join(expressions(BOARDS[name]))
    assert not [wanted for wanted in WANTED[name] if wanted not in text]


@BOTH
def test_grafana_gets_panels_with_ids_of_their_own_that_do_not_lie_on_each_other(name: str) -> None:
    document = json.loads((Path(build.FOLDER) / f"{name}.json").read_text())
    ids = [panel["id"] for panel in document["panels"]]
    assert len(set(ids)) == len(ids) > 10
    places = [
        (x, y)
        for p in (panel["gridPos"] for panel in document["panels"])
        for x in range(p["x"], p["x"] + p["w"])
        for y in range(p["y"], p["y"] + p["h"])
    ]
    assert len(set(places)) == len(places)
    assert max(x for x, _ in places) < 24
