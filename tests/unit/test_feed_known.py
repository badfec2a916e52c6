"""What is kept of viewers, and what makes it worthless."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from nova_feed.feed.known import REMEMBERED, TRUSTED_S, UNSETTLED_S, Known, KnownViewers
from nova_feed.feed.sources import AFFINITY, Sources
from nova_feed.store.client import Store
from nova_feed.store.native import Columns
from tests.unit.test_clock import VirtualClock

BUILT = "build 1"


def about(viewer: int, authors: int = 3) -> Known:
    ids = np.arange(1, authors + 1, dtype=np.int64)
    return Known.of(viewer, Columns(author_id=ids, interactions=ids, relation=ids % 2), np.arange(authors))


class Keeper:
    """KnownViewers that keep what they are given at once."""

    def __init__(self, most_bytes: int = 1 << 20) -> None:
        self.clock = VirtualClock()
        self.viewers = KnownViewers(self.clock, most_bytes=most_bytes)

    def keep(self, *viewers: int, built: str | None = BUILT) -> None:
        self.viewers.keep([about(viewer) for viewer in viewers], built, self.clock.monotonic())

    def kept(self, *viewers: int, built: str | None = BUILT) -> list[int]:
        return list(self.viewers.of(viewers, built))


def test_what_was_kept_is_found_for_the_same_build() -> None:
    keeper = Keeper()
    keeper.keep(1, 2)
    assert keeper.kept(3, 2, 1) == [2, 1]
    assert keeper.viewers.of([1], BUILT)[1].authors.tolist() == [1, 2, 3]


@pytest.mark.parametrize("built", ["build 2", None])
def test_of_another_build_nothing_is_found_nor_where_nobody_knows_which_is_the_newest(built: str | None) -> None:
    keeper = Keeper()
    keeper.keep(1)
    assert keeper.kept(1, built=built) == []
    assert keeper.kept(1) == ([1] if built is None else [])  # of an old build nothing comes back


def test_without_a_build_nothing_is_kept() -> None:
    keeper = Keeper()
    keeper.keep(1, built=None)
    assert len(keeper.viewers) == 0


def test_nothing_is_kept_for_ever() -> None:
    keeper = Keeper()
    keeper.keep(1)
    keeper.clock.pass_s(TRUSTED_S)
    assert keeper.kept(1) == [1]
    keeper.clock.pass_s(0.1)
    assert keeper.kept(1) == []


def test_whoever_is_touched_is_forgotten_and_not_kept_before_clickhouse_must_have_it() -> None:
    keeper = Keeper()
    keeper.keep(1, 2)
    keeper.viewers.touched(1)
    assert keeper.kept(1, 2) == [2]
    keeper.clock.pass_s(UNSETTLED_S)
    keeper.keep(1)
    assert keeper.kept(1) == []
    keeper.clock.pass_s(0.1)
    keeper.keep(1)
    assert keeper.kept(1) == [1]


@pytest.mark.parametrize("change", [lambda viewers: viewers.touched(1), lambda viewers: viewers.forget()])
def test_an_answer_to_a_question_of_before_a_change_is_not_kept(change: Callable[[KnownViewers], None]) -> None:
    keeper = Keeper()
    asked = keeper.clock.monotonic()
    keeper.clock.pass_s(0.5)
    change(keeper.viewers)
    keeper.clock.pass_s(60)
    keeper.viewers.keep([about(1)], BUILT, asked)
    assert keeper.kept(1) == []


def test_forgetting_is_of_everybody() -> None:
    keeper = Keeper()
    keeper.keep(1, 2)
    keeper.viewers.forget()
    assert keeper.kept(1, 2) == []
    keeper.clock.pass_s(0.1)
    keeper.keep(1)
    assert keeper.kept(1) == [1]


def test_all_of_them_have_a_size_and_those_asked_for_last_stay() -> None:
    keeper = Keeper(most_bytes=3 * about(1).size)
    keeper.keep(1, 2, 3)
    assert keeper.kept(1) == [1]
    keeper.keep(4)
    keeper.keep(4)  # takes the place of its own
    assert keeper.kept(1, 2, 3, 4) == [1, 3, 4]


def test_who_was_touched_long_ago_is_not_remembered_for_ever() -> None:
    keeper = Keeper()
    for viewer in range(REMEMBERED):
        keeper.viewers.touched(viewer)
    keeper.clock.pass_s(UNSETTLED_S + TRUSTED_S + 1)
    keeper.viewers.touched(REMEMBERED)
    assert len(keeper.viewers._touched) == 1


def test_many_who_are_touched_at_once_are_gone_through_a_few_times_and_not_for_each_of_them() -> None:
    keeper = Keeper()
    made = [keeper.viewers._touched]  # one each time that they are gone through
    for viewer in range(10 * REMEMBERED):
        keeper.viewers.touched(viewer)
        if keeper.viewers._touched is not made[-1]:
            made.append(keeper.viewers._touched)
        assert len(made) < 10
    assert len(keeper.viewers._touched) == 10 * REMEMBERED


class Asked(Store):
    """Knows of every viewer one author, whom it follows; remembers of whom it was asked."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.pairs: list[list[int]] = []

    async def select(self, query: str, **parameters: Any) -> Columns:
        if query == "pairs":
            viewers = parameters["viewers"]
            self.pairs.append(list(viewers))
            return Columns(
                viewer_id=np.array(viewers, dtype=np.int64), author_id=np.array(viewers, dtype=np.int64) + 1000,
                interactions=np.zeros(len(viewers), dtype=np.int64), relation=np.ones(len(viewers), dtype=np.uint8),
            )  # fmt: skip
        names = ("post_id", "author_id", "created_ms", "likes", "comments", "shares", "exposures")
        return Columns((name, np.empty(0, dtype=np.int64)) for name in names)


async def test_clickhouse_is_asked_of_strangers_alone_and_everybody_gets_a_proposal() -> None:
    clock, store = VirtualClock(), Asked()
    kept = KnownViewers(clock)
    sources = Sources(store, clock, kept)
    builds = {AFFINITY: BUILT}
    assert {*await sources.propose([1, 2], builds)} == {1, 2}
    clock.pass_s(1)
    found = await sources.propose([3, 2, 1], builds)
    assert {viewer: one.followees.tolist() for viewer, one in found.items()} == {1: [1001], 2: [1002], 3: [1003]}
    await sources.propose([1, 2, 3], builds)
    kept.touched(2)
    await sources.propose([1, 2, 3], builds)
    await sources.propose([1], {AFFINITY: "build 2"})
    assert store.pairs == [[1, 2], [3], [2], [1]]


async def test_where_nobody_tells_of_changes_everybody_is_a_stranger() -> None:
    store = Asked()
    sources = Sources(store, VirtualClock())
    for _ in range(2):
        await sources.propose([1], {AFFINITY: BUILT})
    assert store.pairs == [[1], [1]]
