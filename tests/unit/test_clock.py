"""Time as an argument. The clock here serves the other tests as well."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from nova_feed.clock import Clock, SystemClock, rfc3339


@dataclass
class VirtualClock:
    """A Clock that stands still until it is told to go on."""

    ms: int = 1_760_000_000_000
    seconds: float = 1_000.0

    def now_ms(self) -> int:
        return self.ms

    def monotonic(self) -> float:
        return self.seconds

    def pass_s(self, seconds: float) -> None:
        self.seconds += seconds
        self.ms += round(seconds * 1000)


def test_the_system_clock_never_goes_back() -> None:
    clock: Clock = SystemClock()
    assert clock.monotonic() <= clock.monotonic()
    assert clock.now_ms() > 1_700_000_000_000


def test_a_moment_is_written_in_utc_with_milliseconds() -> None:
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
    assert rfc3339(1_769_860_800_123) == "2026-01-31T12:00:00.123Z"


@given(st.integers(0, 4_102_444_800_000), st.integers(0, 10**9))
def test_later_moments_are_later_texts(ms: int, more: int) -> None:
    assert rfc3339(ms) <= rfc3339(ms + more)
