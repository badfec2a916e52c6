"""Lines of requests that are answered in microseconds."""

from __future__ import annotations

import json

import pytest

from nova_feed.ops.access import AccessLog


def test_lines_are_written_whole_in_order_and_once(capsys: pytest.CaptureFixture[str]) -> None:
    access = AccessLog("info", "json")
    for status in (200, 201):
        access.add(path="/x", status=status, user_id=7)
    assert capsys.readouterr().err == ""
    access.flush()
    access.flush()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [(line["event"], line["level"], line["status"], line["user_id"]) for line in lines] == [
        ("request", "info", 200, 7),
        ("request", "info", 201, 7),
    ]
    assert all(line["timestamp"].endswith("Z") for line in lines)


@pytest.mark.parametrize("level", ["warning", "error"])
def test_a_higher_level_has_no_such_lines(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    access = AccessLog(level, "json")
    access.add(path="/x")
    access.flush()
    assert capsys.readouterr().err == ""
