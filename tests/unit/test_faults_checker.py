"""The checker can fail: each kind of fault, put there on purpose, is found and called by its name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.checker import COUNTED, OF_A_PAIR, SHOWN, History, Outcome, Row, Sent, Verdict, Visible, judge_rows

ACTIONS = ("impression", "view", "click", "like", "comment", "share", "dwell", "hide")
SIX = [Sent(f"e{i}", 1 + i % 2, 10 + i % 2, 100 + i % 3, ACTIONS[i % len(ACTIONS)]) for i in range(6)]


def told(outcomes: Mapping[Sent, Iterable[Outcome]]) -> History:
    history = History()
    for event, answers in outcomes.items():
        history.sent(event)
        for answer in answers:
            history.told(event.event_id, answer)
    return history


def stored(events: Iterable[Sent], copies: int = 1) -> Visible:
    """All of them, once each, as a store without faults shows them."""
    kept = list(events)
    return Visible(
        rows=[Row(e.event_id, i + 1, e.post_id, e.user_id, e.action, copies) for i, e in enumerate(kept)],
        final=Counter(e.event_id for e in kept),
        posts=Counter((e.post_id, e.action) for e in kept if e.action in COUNTED),
        pairs=Counter((e.user_id, e.author_id) for e in kept if e.action in OF_A_PAIR),
        shown=Counter((e.post_id, e.action) for e in kept if e.action in SHOWN),
    )


def accepted(events: Iterable[Sent]) -> History:
    return told({event: ["accepted"] for event in events})


def faults(verdict: Verdict) -> set[str]:
    kinds = ("lost", "phantom", "duplicate", "resurrected", "differing")
    return {kind for kind in kinds if getattr(verdict, kind)}


def test_what_was_accepted_and_is_there_once_is_well() -> None:
    verdict = accepted(SIX).judge(stored(SIX))
    assert verdict.good
    assert str(verdict) == "all is well"


def test_an_accepted_event_that_is_not_there_is_lost_and_its_post_counts_too_little() -> None:
    verdict = accepted(SIX).judge(stored(SIX[1:]))
    assert verdict.lost == ("e0",)
    assert faults(verdict) == {"lost", "differing"}


def test_an_event_told_to_be_a_duplicate_must_be_there_as_well() -> None:
    assert told({SIX[0]: ["unknown", "duplicate"]}).judge(Visible()).lost == ("e0",)


def test_an_event_on_disk_that_final_does_not_show_is_lost() -> None:
    assert accepted(SIX).judge(replace(stored(SIX), final=stored(SIX[1:]).final)).lost == ("e0",)


def test_an_event_that_nobody_sent_is_a_phantom() -> None:
    verdict = accepted(SIX[1:]).judge(stored(SIX))
    assert verdict.phantom == ("e0",)
    assert faults(verdict) == {"phantom", "differing"}


def test_an_event_that_was_refused_and_is_there_all_the_same_is_a_phantom() -> None:
    verdict = told({SIX[0]: ["rejected"]}).judge(stored(SIX[:1]))
    assert verdict.phantom == ("e0",)


@pytest.mark.parametrize("change", [{"action": "dwell"}, {"post_id": 9}, {"user_id": 9}])
def test_an_event_with_another_content_than_was_sent_is_a_phantom_and_the_sent_one_is_lost(
    change: dict[str, Any],
) -> None:
    there = stored(SIX)
    rows = [replace(row, **change) if row.event_id == "e0" else row for row in there.rows]
    verdict = accepted(SIX).judge(replace(there, rows=rows))
    assert (verdict.phantom, verdict.lost) == (("e0",), ("e0",))


def test_an_event_with_two_numbers_is_a_duplicate() -> None:
    there = stored(SIX)
    verdict = accepted(SIX).judge(replace(there, rows=[*there.rows, replace(there.rows[0], seq=99)]))
    assert verdict.duplicate == ("e0",)


def test_an_event_that_final_shows_twice_is_a_duplicate() -> None:
    there = stored(SIX)
    assert accepted(SIX).judge(replace(there, final={**there.final, "e0": 2})).duplicate == ("e0",)


def test_an_event_that_was_accepted_as_new_twice_is_a_duplicate_even_when_it_is_there_once() -> None:
    verdict = told({SIX[0]: ["accepted", "accepted"]}).judge(stored(SIX[:1]))
    assert verdict.duplicate == ("e0",)


def test_the_same_number_received_again_is_counted_and_is_no_fault() -> None:
    verdict = accepted(SIX).judge(stored(SIX, copies=3))
    assert verdict.good
    assert verdict.received_again == 12


@pytest.mark.parametrize("answers", [["unknown"], ["unknown", "unknown"], [], ["unknown", "rejected"]])
def test_an_event_of_unknown_fate_may_be_there_or_not(answers: list[Outcome]) -> None:
    history = told({SIX[0]: answers})
    absent, present = history.judge(Visible()), history.judge(stored(SIX[:1]))
    assert absent.good
    assert present.good
    assert (absent.found, present.found) == (0, 1)


def test_an_event_of_unknown_fate_is_never_there_twice() -> None:
    there = stored(SIX[:1])
    verdict = told({SIX[0]: ["unknown"]}).judge(replace(there, rows=[*there.rows, replace(there.rows[0], seq=2)]))
    assert verdict.duplicate == ("e0",)


def test_an_event_of_unknown_fate_that_is_there_but_not_counted_differs() -> None:
    verdict = told({SIX[0]: ["unknown"]}).judge(replace(stored(SIX[:1]), posts={}))
    assert faults(verdict) == {"differing"}


def test_an_unknown_event_that_was_sent_again_until_it_was_answered_must_be_there() -> None:
    for last in ("accepted", "duplicate"):
        history = told({SIX[0]: ["unknown", "unknown", last]})
        assert history.judge(stored(SIX[:1])).good
        assert history.judge(Visible()).lost == ("e0",)


@pytest.mark.parametrize("table", ["posts", "pairs", "shown"])
@pytest.mark.parametrize("by", [-1, 1])
def test_a_count_that_is_off_by_one_differs(table: str, by: int) -> None:
    there = stored(SIX)
    counts = dict(getattr(there, table))
    counts[next(iter(counts))] += by
    changed: dict[str, Any] = {table: counts}
    assert faults(accepted(SIX).judge(replace(there, **changed))) == {"differing"}


@pytest.mark.parametrize("table", ["posts", "pairs", "shown"])
def test_a_count_of_what_nobody_did_differs(table: str) -> None:
    there = stored(SIX)
    changed: dict[str, Any] = {table: {**getattr(there, table), (77, 88): 1}}
    assert faults(accepted(SIX).judge(replace(there, **changed))) == {"differing"}


def test_a_row_that_is_missing_doubled_unknown_or_back_from_the_dead_is_called_so() -> None:
    assert judge_rows("likes", {1, 2}, {3}, [1, 2]).good
    verdict = judge_rows("likes", {1, 2}, {3}, [2, 2, 3, 4])
    assert (verdict.lost, verdict.duplicate) == (("likes 1",), ("likes 2",))
    assert (verdict.resurrected, verdict.phantom) == (("likes 3",), ("likes 4",))


def test_verdicts_add_up() -> None:
    both = accepted(SIX).judge(stored(SIX[1:], copies=2)) + judge_rows("posts", set(), {5}, [5])
    assert (both.lost, both.resurrected, both.received_again) == (("e0",), ("posts 5",), 5)
    assert "1 lost (e0)" in str(both)
    assert "1 resurrected (posts 5)" in str(both)


def test_one_event_id_cannot_be_sent_with_two_bodies_nor_told_of_when_it_was_never_sent() -> None:
    history = accepted(SIX[:1])
    with pytest.raises(ValueError, match="another body"):
        history.sent(replace(SIX[0], action="share"))
    with pytest.raises(KeyError):
        history.told("never", "accepted")


@given(st.data())
def test_taking_away_or_adding_any_one_event_is_always_found(data: st.DataObject) -> None:
    actions, number = st.sampled_from(ACTIONS), st.integers(1, 4)
    drawn = data.draw(st.lists(st.tuples(number, number, actions), min_size=1, max_size=30))
    events = [Sent(f"e{i}", post, post * 10, user, action) for i, (post, user, action) in enumerate(drawn)]
    victim = data.draw(st.sampled_from(events))
    others = [event for event in events if event is not victim]
    assert accepted(events).judge(stored(events)).good
    assert accepted(events).judge(stored(others)).lost == (victim.event_id,)
    assert accepted(others).judge(stored(events)).phantom == (victim.event_id,)
