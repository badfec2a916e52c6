"""How long a record has been waiting, told from where the end of its partition was before."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nova_feed.stream.lag import Ages, Position
from tests.unit.test_ranking_candidates import law

PLACE = ("events", 3)
LOOK_S = 5.0


@law
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 30)), min_size=1, max_size=40))
def test_an_age_is_never_more_than_the_truth_and_less_by_no_more_than_the_time_between_two_looks(
    steps: list[tuple[int, int]],
) -> None:
    ages, written, committed = Ages(), [], 0  # written[offset]: when
    for look, (produced, consumed) in enumerate(steps):
        now_s = look * LOOK_S
        written += [now_s - LOOK_S / 2] * produced
        committed = min(len(written), committed + consumed)
        seconds = ages.seconds(PLACE, Position(committed, len(written)), now_s)
        truth = now_s - written[committed] if committed < len(written) else 0.0
        assert truth - LOOK_S <= seconds <= truth


def test_a_group_that_has_read_all_is_not_late_however_old_the_last_record_is() -> None:
    ages = Ages()
    assert [ages.seconds(PLACE, Position(7, 7), now_s) for now_s in (0.0, 60.0, 3600.0)] == [0.0, 0.0, 0.0]


def test_a_group_that_stands_grows_older_with_every_look() -> None:
    ages = Ages()
    assert [ages.seconds(PLACE, Position(0, 5), now_s) for now_s in (0.0, 5.0, 65.0)] == [0.0, 5.0, 65.0]


def test_partitions_are_late_each_on_its_own() -> None:
    ages = Ages()
    ages.seconds(PLACE, Position(0, 5), 0.0)
    assert ages.seconds(("events", 4), Position(0, 5), 60.0) == 0.0
    assert ages.seconds(PLACE, Position(0, 5), 60.0) == 60.0
