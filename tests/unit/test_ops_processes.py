"""What the processes of a host say of themselves can be read by any of them, for as long as they live."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from nova_feed.ops.processes import keep_telling, told
from tests.waiting import eventually


async def test_what_a_process_tells_is_read_and_gone_when_it_ends_in_order(tmp_path: Path) -> None:
    telling = asyncio.create_task(keep_telling("nova api", lambda: {"runtime_version": 3}, tmp_path))

    async def heard() -> list[dict[str, Any]]:
        return told(tmp_path)

    [state] = await eventually(heard, 5)
    assert (state["process"], state["runtime_version"]) == ("nova api", 3)
    assert 0 <= state["silent_s"] < 60
    telling.cancel()
    await asyncio.gather(telling, return_exceptions=True)
    assert told(tmp_path) == []


def test_a_process_that_was_killed_tells_nothing_any_more(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    path = tmp_path / f"state_{ended.pid}_nova_api.json"
    path.write_text(json.dumps({"process": "nova api", "pid": ended.pid}))
    assert told(tmp_path) == []
    assert not path.exists()


def test_what_is_half_written_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "state_1_nova_api.json").write_text('{"process": "no')
    assert told(tmp_path) == []


async def test_without_a_folder_nobody_is_told() -> None:
    await keep_telling("nova api", dict, None)
    assert told(None) == []
