"""Dead letters say why, and have a ceiling per minute."""

from __future__ import annotations

import pytest

from nova_feed.workers.dead_letters import KEPT_BYTES, Ceiling, reason


def test_no_more_are_taken_within_a_minute_than_the_ceiling() -> None:
    ceiling = Ceiling(10)
    ceiling.take(100.0, 4)
    ceiling.take(130.0, 6)
    assert ceiling.room(159.9) == 0


def test_room_comes_back_a_minute_after_it_was_taken() -> None:
    ceiling = Ceiling(10)
    ceiling.take(100.0, 4)
    ceiling.take(130.0, 6)
    assert [ceiling.room(now) for now in (160.0, 189.0, 190.0)] == [4, 4, 10]


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b'{"id": 1, "author', "not JSON"),
        (b"[" * 60_000, "not JSON"),
        (b"[[[]]]", "no JSON object"),
        (b"null", "no JSON object"),
        (b'{"id": "seven"}', "a field is missing, of another type, or out of range"),
        (b"x" * KEPT_BYTES, "too long"),
    ],
)
def test_the_reason_is_what_the_bytes_tell(raw: bytes, why: str) -> None:
    assert reason(raw) == why
