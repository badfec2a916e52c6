"""What may be committed: only what is done, and only of what is held."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nova_feed.stream.progress import Claim, Progress
from tests.unit.test_ranking_candidates import law

PLACE, OTHER = ("cdc.follows", 0), ("cdc.follows", 1)


def test_a_partition_of_which_nothing_is_done_has_nothing_to_commit() -> None:
    progress = Progress()
    progress.assign(PLACE)
    assert progress.to_commit() == {}
    assert progress.revoke([PLACE]) == {}


def test_a_start_that_nobody_committed_is_committed_before_any_record_comes() -> None:
    progress = Progress()
    progress.assign(PLACE, 40)
    assert progress.to_commit() == {PLACE: 40}


def test_what_is_committed_is_not_committed_again() -> None:
    progress = Progress()
    claim = progress.assign(PLACE)
    progress.finish(claim, 7)
    progress.committed(PLACE, 7)
    assert progress.to_commit() == {}
    progress.finish(claim, 8)
    assert progress.to_commit() == {PLACE: 8}


def test_a_revocation_returns_what_is_done_of_the_revoked_partitions_alone() -> None:
    progress = Progress()
    for place, offset in ((PLACE, 7), (OTHER, 9)):
        progress.finish(progress.assign(place), offset)
    assert progress.revoke([PLACE]) == {PLACE: 7}
    assert progress.to_commit() == {OTHER: 9}


def test_a_late_answer_about_a_partition_given_away_and_taken_back_moves_nothing() -> None:
    progress = Progress()
    before = progress.assign(PLACE)
    progress.revoke([PLACE])
    progress.assign(PLACE, 100)
    progress.finish(before, 50)
    progress.finish(before, 500)
    assert progress.to_commit() == {PLACE: 100}


def test_a_partition_that_is_not_held_has_no_claim() -> None:
    progress = Progress()
    assert progress.claim(PLACE) is None
    claim = progress.assign(PLACE)
    assert progress.claim(PLACE) is claim
    progress.revoke([PLACE])
    assert progress.claim(PLACE) is None
    progress.committed(PLACE, 3)  # a late acknowledgement of the broker


steps = st.lists(
    st.one_of(
        st.tuples(st.just("assign"), st.integers(0, 50)),
        st.tuples(st.just("revoke"), st.just(0)),
        st.tuples(st.just("finish"), st.integers(0, 50)),
        st.tuples(st.just("late"), st.integers(0, 50)),
        st.tuples(st.just("commit"), st.just(0)),
    ),
    max_size=40,
)


@law
@given(steps)
def test_within_one_hold_what_may_be_committed_never_goes_back(found: list[tuple[str, int]]) -> None:
    progress, old, last = Progress(), Claim(PLACE, held=False), -1
    claim = progress.assign(PLACE)
    for step, offset in found:
        if step == "assign":
            old, claim, last = claim, progress.assign(PLACE, offset), offset
        elif step == "revoke":
            progress.revoke([PLACE])
        elif step == "commit":
            for place, done in progress.to_commit().items():
                progress.committed(place, done)
        else:
            progress.finish(old if step == "late" else claim, offset)
        for done in progress.to_commit().values():
            assert done >= last
            last = done
