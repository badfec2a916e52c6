"""What `nova status` says of the canary."""

from __future__ import annotations

import pytest

from nova_feed.commands.sung import EVENT_STAGES, Sung, read

SECONDS = {stage: i / 10 for i, stage in enumerate(EVENT_STAGES, 1)} | {"post": 0.75}
EXPOSITION = "".join(
    [*(f'nova_feed_canary_seconds{{stage="{stage}"}} {value}\n' for stage, value in SECONDS.items()),
     "nova_feed_canary_last_success_timestamp_seconds 1000.5\n",
     "# TYPE nova_feed_canary_failures counter\n", 'nova_feed_canary_failures_total{stage="post"} 2.0\n',
     'nova_feed_event_to_visible_seconds_count{stage="feed"} 9.0\n']
)  # fmt: skip


def test_the_last_round_is_read_from_the_metrics() -> None:
    assert read(EXPOSITION) == Sung(1000.5, SECONDS, {"post": 2})


def test_the_table_says_how_long_it_took_and_when() -> None:
    assert read(EXPOSITION).short(1007.5) == "event in feed 0.60 s, post 0.75 s (7 s ago)"


def test_below_it_stands_where_the_time_goes_and_what_failed() -> None:
    assert read(EXPOSITION).line() == (
        "ms after the event: accept 100, broker 200, clickhouse 300, counters 400, cache 500, feed 600"
        "; failed rounds: 2 at post"
    )


@pytest.mark.parametrize("exposition", ["", "nova_feed_canary_last_success_timestamp_seconds 0.0\n"])
def test_without_a_round_there_is_nothing_to_tell(exposition: str) -> None:
    assert (read(exposition).short(5.0), read(exposition).line()) == ("no canary yet", "")


def test_rounds_that_only_failed_are_told_all_the_same() -> None:
    assert read(
        '# TYPE nova_feed_canary_failures counter\nnova_feed_canary_failures_total{stage="broker"} 3.0\n'
    ).line() == ("failed rounds: 3 at broker")
