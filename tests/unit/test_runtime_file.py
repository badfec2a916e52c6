"""What a file says becomes the newest version when it changes; what it says wrong changes nothing."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import REGISTRY

from nova_feed.runtime import Live, Runtime
from nova_feed.runtime.change import Changes
from nova_feed.runtime.file import RuntimeFile
from tests.runtimes import TableInMemory

OFF = json.dumps({"flags": {"enable_caching": False}})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runtime.json"


@pytest.fixture
def table() -> TableInMemory:
    return TableInMemory()


@pytest.fixture
def started(path: Path, table: TableInMemory) -> Callable[[], RuntimeFile]:
    return lambda: RuntimeFile(path, Changes(table, Live(Runtime())))


Started = Callable[[], RuntimeFile]


def says(path: Path, text: str) -> None:
    path.write_text(text)


def is_gone(path: Path) -> None:
    path.unlink()


def refused() -> float:
    return REGISTRY.get_sample_value("nova_feed_runtime_refused_total", {"source": "file"}) or 0.0


async def test_a_file_is_taken_once_and_again_when_it_changes(
    path: Path, table: TableInMemory, started: Started
) -> None:
    says(path, OFF)
    file = started()
    for _ in range(3):
        await file.step()
    says(path, '{"config": {"feed_ttl_s": 7}}')
    await file.step()
    assert [json.loads(row.document)["flags"]["enable_caching"] for row in table.rows] == [False, True]
    assert {row.made_by for row in table.rows} == {"file"}
    assert all(row.note.startswith("runtime.json ") for row in table.rows)


@pytest.mark.parametrize("bad", ["", OFF[:-1], "flags: {enable_caching: no}", '{"flags": {"x": true}}', "[" * 9_999])
async def test_a_file_that_is_cut_off_or_hostile_changes_nothing_and_is_counted_once(
    path: Path, table: TableInMemory, started: Started, bad: str
) -> None:
    says(path, OFF)
    file = started()
    await file.step()
    before = refused()
    says(path, bad)
    for _ in range(3):
        await file.step()
    assert (len(table.rows), refused()) == (1, before + 1)
    says(path, "{}")
    await file.step()
    assert len(table.rows) == 2


async def test_a_file_that_is_not_there_yet_is_nothing_wrong_and_a_folder_or_a_pipe_is_refused(
    path: Path, table: TableInMemory, started: Started
) -> None:
    file, before = started(), refused()
    await file.step()
    assert refused() == before
    for make, remove in ((Path.mkdir, Path.rmdir), (os.mkfifo, Path.unlink)):
        make(path)
        await file.step()
        remove(path)
        await file.step()
    assert refused() == before + 2
    assert table.rows == []


async def test_a_file_that_says_what_holds_anyway_was_taken_too_and_is_not_taken_again(
    path: Path, table: TableInMemory, started: Started
) -> None:
    says(path, "{}")
    await started().step()
    await Changes(table, Live(Runtime())).flags({"enable_caching": False}, "user 7", "by hand")
    file = started()
    await file.step()
    is_gone(path)
    await file.step()
    says(path, "{}")
    await file.step()
    assert [row.made_by for row in table.rows] == ["file", "user 7"]


async def test_a_start_does_not_take_again_what_was_taken_before(
    path: Path, table: TableInMemory, started: Started
) -> None:
    says(path, OFF)
    await started().step()
    await Changes(table, Live(Runtime())).flags({"enable_caching": True}, "user 7", "by hand")
    await started().step()
    assert [row.made_by for row in table.rows] == ["file", "user 7"]
    says(path, json.dumps({"flags": {"enable_fallback": False}}))
    await started().step()
    assert [row.made_by for row in table.rows] == ["file", "user 7", "file"]


async def test_a_file_that_changed_while_the_table_was_away_is_taken_when_it_is_back(
    path: Path, table: TableInMemory, started: Started
) -> None:
    file = started()
    says(path, OFF)
    table.away = True
    await file.step()
    table.away = False
    await file.step()
    assert len(table.rows) == 1
