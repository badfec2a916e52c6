"""Where everything is, for scripts: true after every restart, and whole at every moment."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from nova_feed.local.service import External, Service
from nova_feed.local.supervisor import Facts


class Part(External):
    """A part that runs as these processes."""

    def __init__(self, name: str, *pids: int) -> None:
        super().__init__(name, "", self._never)
        self.now = pids

    async def _never(self) -> str:
        raise AssertionError("nobody asks")

    @property
    def pids(self) -> tuple[int, ...]:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "demo.json"


def read(path: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads(path.read_text())
    return found


def parts(*of: Part) -> Mapping[str, Service]:
    return {part.name: part for part in of}


def test_the_facts_name_every_process_the_api_as_a_list_and_what_does_not_run_not_at_all(path: Path) -> None:
    running = parts(Part("postgres", 5, 6), Part("api", 7, 8, 9), Part("kafka"))
    Facts(path, {"api_url": "http://here"}).write(running, {"api": 2})
    assert read(path) == {"api_url": "http://here", "pids": {"postgres": 5, "api": [7, 8, 9]}, "restarts": {"api": 2}}


def test_only_their_owner_may_read_them(path: Path) -> None:
    Facts(path, {"token": "secret"}).write({}, {})
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_they_are_written_when_something_changed_and_only_then(path: Path) -> None:
    facts, postgres = Facts(path, {}), Part("postgres", 5)
    facts.write(parts(postgres), {})
    path.unlink()
    facts.write(parts(postgres), {})
    assert not path.exists()
    postgres.now = (6,)
    facts.write(parts(postgres), {"postgres": 1})
    assert read(path) == {"pids": {"postgres": 6}, "restarts": {"postgres": 1}}


def test_without_room_the_first_write_fails_and_a_later_one_waits_for_room(path: Path) -> None:
    facts, postgres = Facts(path, {}), Part("postgres", 5)
    path.parent.write_text("in the way of the folder")
    with pytest.raises(OSError, match="home"):
        facts.write(parts(postgres), {})
    path.parent.unlink()
    facts.write(parts(postgres), {})
    path.unlink()
    path.parent.rmdir()
    path.parent.write_text("in the way again")
    postgres.now = (6,)
    facts.write(parts(postgres), {})
    path.parent.unlink()
    facts.write(parts(postgres), {})
    assert read(path)["pids"] == {"postgres": 6}


def test_removing_what_is_not_there_is_well(path: Path) -> None:
    Facts(path, {}).remove()
