"""The lists of one host: files that all its API processes share."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from nova_feed.feed.nearby import NearbyLists
from tests.unit.test_clock import VirtualClock

LIFE_S = 600.0


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


def lists(folder: Path | None, clock: VirtualClock, most_bytes: int = 1 << 20) -> NearbyLists:
    if folder is not None:
        folder.mkdir(exist_ok=True)
    return NearbyLists(folder, clock, lambda: LIFE_S, most_bytes=most_bytes)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_list_is_its_viewers_and_every_process_of_the_host_has_it(tmp_path: Path, clock: VirtualClock) -> None:
    here, there = lists(tmp_path / "lists", clock), lists(tmp_path / "lists", clock)
    here.put(7, "a", b"body")
    assert (there.get(7, "a"), there.get(8, "a"), there.get(7, "b")) == (b"body", None, None)
    assert names(tmp_path / "lists") == ["7.a"]
    assert (tmp_path / "lists" / "7.a").stat().st_mode & 0o077 == 0


def test_a_list_lives_from_its_last_use_on(tmp_path: Path, clock: VirtualClock) -> None:
    here = lists(tmp_path, clock)
    for name in ("read", "kept again", "left"):
        here.put(7, name, b"body")
    clock.pass_s(LIFE_S - 1)
    assert here.get(7, "read") == b"body"
    here.put(7, "kept again", b"body")
    clock.pass_s(2)
    assert [here.get(7, name) for name in ("read", "kept again", "left")] == [b"body", b"body", None]
    here.sweep()
    assert names(tmp_path) == ["7.kept again", "7.read"]


def test_all_of_them_have_a_size_and_those_used_last_stay(tmp_path: Path, clock: VirtualClock) -> None:
    here = lists(tmp_path, clock, most_bytes=30)
    for name in "abc":
        lists(tmp_path, clock).put(7, name, b"x" * 10)
        clock.pass_s(1)
    here.get(7, "a")
    clock.pass_s(1)
    lists(tmp_path, clock).put(7, "d", b"x" * 10)
    here.sweep()
    assert names(tmp_path) == ["7.a", "7.c", "7.d"]


async def test_what_is_too_much_goes_by_itself(tmp_path: Path, clock: VirtualClock) -> None:
    here = lists(tmp_path, clock, most_bytes=1_000)
    for number in range(200):
        here.put(number, "a", b"x" * 100)
        await asyncio.sleep(0.001)
    assert len(names(tmp_path)) <= 50


def test_without_a_folder_and_with_one_that_cannot_be_written_no_list_is_here(
    tmp_path: Path, clock: VirtualClock
) -> None:
    nowhere = lists(None, clock)
    nowhere.put(7, "a", b"body")
    nowhere.sweep()
    assert nowhere.get(7, "a") is None
    gone = lists(tmp_path / "lists", clock)
    (tmp_path / "lists").rmdir()
    gone.put(7, "a", b"body")
    assert gone.get(7, "a") is None
