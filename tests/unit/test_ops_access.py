"""Lines and counts of pages that are answered in microseconds."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry, Histogram

from nova_feed.ops import metrics
from nova_feed.ops.access import AccessLog, Hit, Refused

AT_MS = 1_795_000_000_007
HITS = (Hit("one", 7, 20, 19, 0.00012, AT_MS), Hit("two", 8, 50, 50, 0.003, AT_MS + 993))


def log(level: str = "info", hits: Sequence[Hit] = HITS) -> AccessLog:
    access = AccessLog(level, "json", "/api/v1/feed")
    for hit in hits:
        access.add(hit)
    return access


def test_lines_are_written_whole_in_order_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    access = log()
    assert capsys.readouterr().err == ""
    access.flush()
    access.flush()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines[0] == {
        "request_id": "one", "path": "/api/v1/feed", "status": 200, "ms": 0.12, "user_id": 7, "algo": "ch", "limit": 20,
        "posts": 19, "cache_hit": True, "source": "cached", "fallback": False, "event": "request", "level": "info",
        "timestamp": "2026-11-18T11:06:40.007Z",
    }  # fmt: skip
    assert [(line["request_id"], line["timestamp"][-7:]) for line in lines] == [("one", "40.007Z"), ("two", "41.000Z")]


def test_who_was_refused_has_a_line_and_is_counted_as_that(capsys: pytest.CaptureFixture[str]) -> None:
    counters = (metrics.SHED, metrics.API_REQUESTS.labels("feed", "GET", "503"))
    before = [counter._value.get() for counter in counters]
    access = log(hits=HITS[:1])
    access.refuse(Refused("three", 0.00004, AT_MS))
    access.flush()
    access.flush()
    hit, refused = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert hit["request_id"] == "one"
    assert refused == {
        "request_id": "three", "path": "/api/v1/feed", "status": 503, "ms": 0.04, "event": "request", "level": "info",
        "timestamp": "2026-11-18T11:06:40.007Z",
    }  # fmt: skip
    assert [counter._value.get() for counter in counters] == [value + 1 for value in before]


@pytest.mark.parametrize("level", ["warning", "error"])
def test_a_higher_level_has_no_such_lines_and_counts_all_the_same(
    level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    counter = metrics.API_REQUESTS.labels("feed", "GET", "200")
    before = counter._value.get()
    log(level).flush()
    assert capsys.readouterr().err == ""
    assert counter._value.get() == before + len(HITS)


def test_many_values_are_observed_as_one_after_the_other() -> None:
    bounds, values = (0.1, 0.5, 1.0), [0.0, 0.1, 0.1000001, 0.7, 1.0, 1.1, 5.0]
    one, all_ = (Histogram(name, "of a test", buckets=bounds, registry=CollectorRegistry()) for name in ("a", "b"))
    for value in values:
        one.observe(value)
    metrics.observe_all(all_, values)

    def samples(histogram: Histogram) -> list[tuple[str, float]]:
        [family] = histogram.collect()
        return [(s.labels.get("le", s.name[2:]), s.value) for s in family.samples if not s.name.endswith("_created")]

    assert samples(one) == samples(all_)
