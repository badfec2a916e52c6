"""What holds in a process: replaced whole, or not at all."""

from __future__ import annotations

import json

import pytest
from prometheus_client import REGISTRY

from nova_feed.runtime import Live, Runtime

OFF = json.dumps({"flags": {"enable_caching": False}})
BAD = ['{"flags": {"enable_caching": "no"}}', "{", "[]", '{"flags": {"enable_caching": false}, "config": {"x": 1}}']


def refused() -> float:
    return REGISTRY.get_sample_value("nova_feed_runtime_refused_total", {"source": "table"}) or 0.0


def test_a_valid_version_holds_as_a_whole_and_is_told_in_the_gauge() -> None:
    live = Live(Runtime())
    assert live.offer(7, OFF)
    assert (live.now.version, live.now.enable_caching, live.refused) == (7, False, "")
    assert REGISTRY.get_sample_value("nova_feed_runtime_version") == 7


@pytest.mark.parametrize("bad", BAD)
def test_of_a_bad_version_nothing_holds_and_it_is_counted_once(bad: str) -> None:
    live = Live(Runtime())
    live.offer(7, OFF)
    before, held = refused(), live.now
    assert [live.offer(8, bad) for _ in range(3)] == [False] * 3
    assert live.now is held
    assert live.refused
    assert refused() == before + 1


def test_what_held_for_a_piece_of_work_goes_on_holding_for_it() -> None:
    live = Live(Runtime())
    held = live.now
    live.offer(1, OFF)
    assert (held.enable_caching, live.now.enable_caching) == (True, False)


def test_a_good_version_after_a_bad_one_holds_and_nothing_is_refused_any_more() -> None:
    live = Live(Runtime())
    live.offer(1, BAD[0])
    assert live.offer(2, OFF)
    assert (live.now.version, live.refused) == (2, "")


def test_without_any_version_the_settings_hold_again() -> None:
    live = Live(Runtime(feed_ttl_s=60))
    live.offer(1, OFF)
    live.reset()
    assert live.now == Runtime(feed_ttl_s=60)
