"""Whose lists changed, as Valkey tells it: against a list of all that happened."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from nova_feed.feed import firsts
from nova_feed.feed.firsts import Firsts
from tests.unit.test_clock import VirtualClock

STEPS = st.one_of(
    st.tuples(st.just("began"), st.just(())),
    st.tuples(st.just("all"), st.just(())),
    st.tuples(st.just("heard"), st.just(())),
    st.tuples(st.just("changed"), st.lists(st.integers(1, 4), max_size=3).map(tuple)),
    st.tuples(st.just("lost"), st.lists(st.integers(1, 4), max_size=3).map(tuple)),
)


@given(st.lists(STEPS, max_size=30))
def test_a_list_that_is_known_to_be_the_first_is_the_first(steps: Sequence[tuple[str, tuple[int, ...]]]) -> None:
    """``lost`` is a change in a time when nobody tells: until it began again, nothing is heard either."""
    clock = VirtualClock(seconds=0.0)
    told, telling = Firsts(clock), False
    changes: list[tuple[float, int]] = []  # when, whose
    for what, viewers in steps:
        clock.pass_s(1)
        now = clock.monotonic()
        if what == "began":
            told.began()
            telling = True
        elif what == "lost":
            telling = False
            changes += [(now, viewer) for viewer in viewers]
        elif not telling:
            continue
        elif what == "all":
            changes += [(now, viewer) for viewer in range(1, 5)]
            told.all_changed()
        elif what == "heard":
            told.heard(now)
        else:
            changes += [(now, viewer) for viewer in viewers]
            told.changed(viewers)
        for viewer in range(1, 5):
            for confirmed in range(int(now) + 1):
                known_at = told.known_at(confirmed)
                if not told.told_of(viewer, confirmed) and known_at > confirmed:
                    assert not [at for at, whose in changes if whose == viewer and confirmed <= at <= known_at]


def test_before_it_began_nothing_is_known() -> None:
    told = Firsts(VirtualClock())
    told.heard(100.0)
    assert told.known_at(5.0) == 5.0


def test_of_whom_too_much_was_told_nothing_is_known() -> None:
    clock = VirtualClock()
    told = Firsts(clock)
    told.began()
    clock.pass_s(1)
    confirmed = clock.monotonic()
    clock.pass_s(1)
    told.changed(range(firsts.MOST))
    told.heard(clock.monotonic())
    assert told.told_of(7, confirmed)
    assert told.known_at(confirmed) == clock.monotonic()
    clock.pass_s(1)
    told.changed([firsts.MOST])  # the oldest is forgotten, and with it what was known of anybody before
    assert not told.told_of(0, confirmed)
    assert told.known_at(confirmed) == confirmed
