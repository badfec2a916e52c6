"""One stack per home: who holds the lock, who may know it, and who is refused."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from nova_feed.local import lock


def test_nobody_holds_what_was_never_held(tmp_path: Path) -> None:
    assert lock.holder(tmp_path / "nowhere") is None
    assert lock.holder(tmp_path) is None
    assert not (tmp_path / "nowhere").exists()


def test_who_holds_it_is_known_by_pid_and_forgotten_afterwards(tmp_path: Path) -> None:
    with lock.hold(tmp_path / "home"):
        assert lock.holder(tmp_path / "home") == os.getpid()
    assert lock.holder(tmp_path / "home") is None


def test_a_second_one_is_refused_and_told_by_whom_and_what_to_do(tmp_path: Path) -> None:
    with lock.hold(tmp_path):
        for attempt in (lock.hold, lock.alone):
            with (
                pytest.raises(lock.AlreadyRunningError, match=rf"\(pid {os.getpid()}\): `nova down` stops it"),
                attempt(tmp_path),
            ):
                raise AssertionError("two hold one lock")
    with lock.hold(tmp_path):
        assert lock.holder(tmp_path) == os.getpid()


def test_an_error_frees_it(tmp_path: Path) -> None:
    with pytest.raises(LookupError), lock.hold(tmp_path):
        raise LookupError
    assert lock.holder(tmp_path) is None


def test_a_start_is_refused_while_somebody_clears_the_home(tmp_path: Path) -> None:
    with (
        lock.alone(tmp_path),
        pytest.raises(lock.AlreadyRunningError, match="try again when it is done"),
        lock.hold(tmp_path),
    ):
        raise AssertionError("a stack starts while its home is cleared")


def test_who_clears_a_home_is_waited_for_and_never_named_as_its_supervisor(tmp_path: Path) -> None:
    found: list[int | None] = []
    looking = threading.Thread(target=lambda: found.append(lock.holder(tmp_path)))
    with lock.alone(tmp_path):
        looking.start()
        looking.join(0.05)
        assert looking.is_alive()
    looking.join(5)
    assert found == [None]


def test_those_who_only_look_keep_nobody_from_holding_it(tmp_path: Path) -> None:
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            lock.holder(tmp_path)

    onlookers = [threading.Thread(target=look) for _ in range(2)]
    for onlooker in onlookers:
        onlooker.start()
    try:
        for _ in range(50):
            with lock.hold(tmp_path):
                assert lock.holder(tmp_path) == os.getpid()
    finally:
        done.set()
        for onlooker in onlookers:
            onlooker.join()
