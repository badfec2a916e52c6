"""The report of the fault tests says what passed, what failed, and what could not run, by row."""

from __future__ import annotations

import json
from pathlib import Path

from tests.faults.report import Line, Report

LINES = [
    Line(9, "kill -9 of the broker", 0, 0, 0, 3.2, passed=True, note="backlog peak 7 events"),
    Line(7, "disk full", passed=None, note="cannot run here: only root can"),
    Line(2, "kill -9 of PostgreSQL", 3, 0, 1, None, note="3 lost"),
]


def test_a_machine_finds_every_row_with_all_its_figures(tmp_path: Path) -> None:
    Report(list(LINES)).write(tmp_path / "build" / "faults.json")
    told = json.loads((tmp_path / "build" / "faults.json").read_text())
    names = ["row", "name", "lost", "duplicate", "phantom", "seconds_to_normal", "passed", "note", "feed"]
    assert [list(line) for line in told] == [names] * 3
    assert [(line["row"], line["passed"]) for line in told] == [(2, False), (7, None), (9, True)]


def test_a_reader_sees_the_verdict_of_every_row_and_why() -> None:
    table = Report(list(LINES)).table()
    assert [line.split()[0] for line in table if line[:3].strip()] == ["row", "2", "7", "9"]
    for row, (verdict, why) in zip(
        (2, 7, 9), (("FAILED", "3 lost"), ("cannot run here", "only root"), ("passed", "7 events")), strict=True
    ):
        at = next(i for i, line in enumerate(table) if line.startswith(f"{row:>3} "))
        assert verdict in table[at]
        assert why in table[at + 1]


def test_a_row_has_failed_until_its_end_was_reached() -> None:
    assert Line(1, "kill").passed is False
