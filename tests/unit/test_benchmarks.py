"""What the benchmarks work out of what they saw: a wrong answer is found, and a number means what it says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from checks import judge
from fixed_rate import LOST, Seen
from harness import without_kafka
from mixed import active_within, slopes
from overload import AFTER_S, recovery
from scenarios import of_seen
from table import HEADERS, Row, table
from usage import per_1000
from viewers import zipf


def posts(*authors: int, sources: tuple[str, ...] = ("trending",)) -> list[dict[str, Any]]:
    return [
        {"post_id": 100 + i, "author_id": a, "position": i, "sources": list(sources)} for i, a in enumerate(authors)
    ]


def seen(status: list[int], seconds: list[float], rate: float = 1.0) -> Seen:
    return Seen(np.arange(len(status)) / rate, np.array(seconds), np.array(status))


def test_a_right_page_is_found_right() -> None:
    assert judge(1, posts(2, 3, 4, 5, 6, 2, sources=("followee",)), {2, 3, 4, 5, 6}, {9}) == []


@pytest.mark.parametrize(
    ("page", "follows", "gone", "fault"),
    [
        (posts(2, 3, 1), set(), set(), "a post that this viewer must not see"),
        (posts(2, 3, 9), set(), {9}, "a post that this viewer must not see"),
        (
            posts(2, 3, sources=("followee",)),
            {2},
            set(),
            "a followee's post by somebody whom this viewer does not follow",
        ),
        (posts(2, 2, 3), set(), set(), "the author rule is broken"),
        ([*posts(2), *posts(3)], set(), set(), "positions are not 0, 1, 2 ..."),
    ],
)
def test_a_wrong_page_is_found(page: list[dict[str, Any]], follows: set[int], gone: set[int], fault: str) -> None:
    assert fault in judge(1, page, follows, gone)


def test_the_rth_viewer_is_drawn_about_an_rth_as_often_as_the_first() -> None:
    drawn = np.bincount(zipf(100, 200_000, 1), minlength=100)
    assert len(drawn) == 100
    for place in (2, 5, 10):
        assert drawn[0] / drawn[place - 1] == pytest.approx(place, rel=0.1)


def test_times_are_of_the_good_answers_and_everything_else_is_an_error() -> None:
    ran = of_seen([seen([200, 503, LOST, 200], [0.1, 0.001, 9.0, 0.3]), seen([200], [0.2])])
    assert (ran.requests, ran.errors) == (3, {"503": 1, "lost": 1})
    assert ran.times["p50_ms"] == 200
    assert ran.seconds == pytest.approx(2 + 9.0 + 0.2)


def test_cpu_is_told_for_a_thousand_requests() -> None:
    assert per_1000({"api": 1.0, "kafka": 0.0}, {"api": 3.0, "kafka": 9.0}, 500) == {"api": 4.0}


def test_all_is_well_again_from_the_last_bad_second_on() -> None:
    status = [503 if i < 30 else 200 for i in range(10 * int(AFTER_S))]
    assert recovery(seen(status, [0.01] * len(status), rate=10)) == 3
    assert recovery(seen([200] * len(status), [0.01] * len(status), rate=10)) == 0
    assert recovery(seen([200] * len(status), [0.5] * len(status), rate=10)) is None


def test_memory_that_grows_has_a_slope_and_memory_that_does_not_has_none() -> None:
    wobble = [0.5, -0.5, 0.3, -0.3, 0.1, -0.1] * 4
    samples = [(5.0 * i, {"api": 100 + 5.0 * i / 60, "worker": 50 + wobble[i]}) for i in range(24)]
    told = slopes(samples, 120)
    assert told["api"]["slope"] == pytest.approx(1.0, abs=0.01)
    assert abs(told["worker"]["slope"]) < told["worker"]["two_errors"]
    assert told["all"]["slope"] == pytest.approx(told["api"]["slope"] + told["worker"]["slope"], abs=0.02)


def test_the_share_of_active_viewers_counts_reads_after_the_first_window() -> None:
    order = np.array([1, 2, 1, 1, 3, 4, 1])  # one a second, a window of two seconds
    assert active_within(order, rate=1, window_s=2) == pytest.approx(2 / 5)


def test_the_table_has_a_line_a_row_and_the_ratio_to_the_ceiling() -> None:
    rows = [
        Row("hits", 600.0, {"p50_ms": 1.0}, errors={"timeout": 2}, wrong=["x"], ceiling_per_s=1000.0),
        Row("b", 1, {}),
    ]
    lines = table(rows).splitlines()
    assert len({len(line) for line in lines}) == 1
    cells = [cell.strip() for cell in lines[2].strip("|").split("|")]
    assert dict(zip(HEADERS, cells, strict=True)) | {"errors": "3", "ceiling/s": "1,000", "ratio": "0.60"} == dict(
        zip(HEADERS, cells, strict=True)
    )
    assert rows[0].told()["ratio"] == 0.6
    assert rows[1].ratio is None


def test_the_schema_of_growth_has_no_kafka_table_and_nothing_that_reads_one() -> None:
    names = {statement.split("(")[0].split()[-1].removeprefix("nova.") for statement in without_kafka()}
    assert not [statement for statement in without_kafka() if "_queue" in statement]
    assert {"posts", "follows", "likes", "recent_events"} <= names
