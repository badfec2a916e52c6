"""A disk that is full before the start, and one that fills up during it."""

from __future__ import annotations

from pathlib import Path

import pytest

from nova_feed.local.room import FULL_MIB, DiskFullError, enough

MORE_THAN_THERE_IS = 1 << 40


def test_with_room_nothing_is_said_and_an_error_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(LookupError), enough(tmp_path, 1):
        raise LookupError


def test_without_room_nothing_is_begun_and_the_sentence_says_what_to_do(tmp_path: Path) -> None:
    with (
        pytest.raises(DiskFullError, match=r"only [\d,]+ MiB are free in .*: make room, or choose another --home"),
        enough(tmp_path, MORE_THAN_THERE_IS),
    ):
        raise AssertionError("began without room")


@pytest.mark.parametrize(("left", "told"), [(FULL_MIB - 1, DiskFullError), (FULL_MIB, LookupError)])
def test_an_error_on_a_disk_that_filled_up_is_told_as_what_it_is(
    tmp_path: Path, left: int, told: type[Exception]
) -> None:
    free = iter([1000, left])
    with pytest.raises(told), enough(tmp_path, 1000, free_mib=lambda _: next(free)):
        raise LookupError("a server ended while it was starting")
