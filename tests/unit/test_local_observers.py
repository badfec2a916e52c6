"""Prometheus and Alertmanager beside the stack: what they are told, and what is said when they are not there."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from nova_feed.local.observers import Prometheus, find, rules
from nova_feed.local.service import ServiceError
from tests.tools import tool


def test_a_program_that_is_not_there_is_named_in_one_sentence_with_what_installs_it() -> None:
    with pytest.raises(
        ServiceError, match="needs no-such-program, which is not in the PATH: `apt-get install"
    ) as found:
        find("no-such-program", "nor-this-one")
    assert "\n" not in str(found.value)


def test_the_alerts_are_those_of_production() -> None:
    assert [path.name for path in rules().glob("*.yml")] == ["nova_feed.yml"]


def test_prometheus_reads_both_listeners_under_the_names_that_alerts_ask_for(tmp_path: Path) -> None:
    tool("prometheus")
    targets = {"nova-api": "http://127.0.0.1:8080", "nova-worker": "http://127.0.0.1:8081"}
    part = Prometheus(tmp_path, 9090, targets, "http://127.0.0.1:9093")
    part.init()
    told = yaml.safe_load((tmp_path / "prometheus" / "prometheus.json").read_text())
    assert told == part.configuration()
    places = {job["job_name"]: job["static_configs"][0]["targets"] for job in told["scrape_configs"]}
    assert places == {"nova-api": ["127.0.0.1:8080"], "nova-worker": ["127.0.0.1:8081"]}
    production = yaml.safe_load((rules().parent / "prometheus.yml").read_text())
    assert {job["job_name"] for job in production["scrape_configs"]} == set(places)
