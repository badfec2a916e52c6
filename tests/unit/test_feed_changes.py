"""What capture tells of changed rules, and whether all of it is known."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from nova_feed.feed.changes import CLOCK_S, LATEST_S, MEMORY_S, REMEMBERED, TOPICS, Changes
from nova_feed.stream.consumer import Received
from nova_feed.topics import HEARTBEAT
from tests.unit.test_clock import VirtualClock


def record(topic: str, **row: Any) -> Received:
    return Received(topic, 0, 0, json.dumps(row).encode())


@dataclass
class Told:
    """Changes, and whom they touched."""

    clock: VirtualClock = field(default_factory=VirtualClock)
    touched: list[int] = field(default_factory=list)
    forgotten: int = 0

    def __post_init__(self) -> None:
        self.changes = Changes(self.clock, self.touched.append, self.forget)

    def forget(self) -> None:
        self.forgotten += 1

    def beat(self, ago_s: float = 0) -> None:
        at = datetime.fromtimestamp(self.clock.now_ms() / 1000 - ago_s, UTC)
        self.changes.handle([record(HEARTBEAT.name, id=1, beat_at=at.isoformat().replace("+00:00", "Z"))])

    def read_clock(self) -> None:
        self.changes.clock_read(float(self.clock.now_ms()), self.clock.monotonic())

    def tell(self, topic: str, **row: Any) -> None:
        self.changes.handle([record(topic, **row)])


@pytest.fixture
def told() -> Told:
    told = Told()
    told.changes.missed()
    told.read_clock()
    told.beat()
    return told


def test_nothing_is_known_before_a_heartbeat_and_postgresqls_clock_were_read() -> None:
    told = Told()
    assert not told.changes.fresh()
    told.beat()
    assert not told.changes.fresh()
    told.read_clock()
    assert told.changes.fresh()


def test_what_is_known_is_as_old_as_the_newest_heartbeat(told: Told) -> None:
    told.clock.pass_s(LATEST_S - 0.01)
    assert told.changes.fresh()
    told.clock.pass_s(0.02)
    assert not told.changes.fresh()
    told.beat()
    assert told.changes.fresh()


def test_a_heartbeat_that_was_long_on_its_way_is_no_news(told: Told) -> None:
    told.clock.pass_s(5)
    told.beat(ago_s=LATEST_S + 0.1)
    assert not told.changes.fresh()


def test_the_two_clocks_may_differ_by_hours(told: Told) -> None:
    told.changes.missed()
    there = told.clock.now_ms() + 7_200_000
    told.changes.clock_read(float(there), told.clock.monotonic())
    at = datetime.fromtimestamp(there / 1000, UTC).isoformat()
    told.tell(HEARTBEAT.name, id=1, beat_at=at)
    assert told.changes.fresh()
    told.clock.ms -= 3_600_000  # this machine's own clock steps
    assert told.changes.fresh()


def test_a_clock_that_nobody_could_read_for_long_says_nothing(told: Told) -> None:
    told.clock.pass_s(CLOCK_S)
    told.beat()
    assert not told.changes.fresh()


@pytest.mark.parametrize(
    ("topic", "row", "viewers"),
    [
        ("cdc.blocks", {"blocker_id": 1, "blocked_id": 2}, [1, 2]),
        ("cdc.blocks", {"blocker_id": 1, "blocked_id": 2, "__deleted": "true"}, [1, 2]),
        ("cdc.mutes", {"muter_id": 3, "muted_id": 4}, [3]),
        ("cdc.follows", {"follower_id": 5, "followee_id": 6, "__deleted": "true"}, [5]),
        ("cdc.nova_hidden", {"user_id": 7, "post_id": 8}, [7]),
        ("cdc.posts", {"id": 9, "author_id": 10, "__deleted": "true"}, []),
    ],
)
def test_a_row_touches_those_whose_rules_it_is_part_of(
    told: Told, topic: str, row: dict[str, Any], viewers: list[int]
) -> None:
    told.tell(topic, **row)
    assert told.touched == viewers
    assert all(told.changes.lately(viewer) for viewer in viewers)
    told.clock.pass_s(MEMORY_S)
    assert not any(told.changes.lately(viewer) for viewer in viewers)


def test_a_deleted_post_is_gone_for_whatever_was_made_before(told: Told) -> None:
    before = told.changes.number
    told.tell("cdc.posts", id=9, author_id=10, __deleted="false")
    assert not told.changes.gone(before, {9})
    told.tell("cdc.posts", id=9, author_id=10, __deleted="true")
    assert told.changes.gone(before, {8, 9})
    assert not told.changes.gone(before, {8})
    assert not told.changes.gone(told.changes.number, {9})


def test_more_deletions_than_are_remembered_may_have_been_anything(told: Told) -> None:
    before = told.changes.number
    for post in range(1, REMEMBERED + 3):
        told.tell("cdc.posts", id=post, author_id=1, __deleted="true")
    assert told.changes.gone(before, {10**9})
    assert not told.changes.gone(told.changes.number, {10**9})


@pytest.mark.parametrize(
    "value", [b"{", b"[]", b"null", b'{"blocker_id": "1"}', b'{"blocker_id": true, "blocked_id": 1}']
)
def test_a_record_that_cannot_be_read_may_have_been_about_anybody(told: Told, value: bytes) -> None:
    told.changes.handle([Received("cdc.blocks", 0, 0, value)])
    assert told.forgotten == 2


def test_a_row_of_a_snapshot_changes_nothing(told: Told) -> None:
    told.tell("cdc.mutes", muter_id=3, muted_id=4, __op="r")
    assert (told.touched, told.changes.lately(3)) == ([], False)


def test_a_tombstone_says_nothing(told: Told) -> None:
    told.changes.handle([Received(topic, 0, 0, None) for topic in TOPICS])
    assert (told.touched, told.forgotten, told.changes.number) == ([], 1, 1)


def test_when_records_were_missed_nothing_is_known_until_the_next_heartbeat(told: Told) -> None:
    told.changes.missed()
    assert (told.forgotten, told.changes.fresh()) == (2, False)
    told.beat()
    assert told.changes.fresh()


def test_who_was_touched_is_remembered_within_bounds(told: Told) -> None:
    for viewer in range(1, REMEMBERED + 2):
        told.tell("cdc.mutes", muter_id=viewer, muted_id=1)
    told.clock.pass_s(MEMORY_S)
    told.tell("cdc.mutes", muter_id=1, muted_id=2)
    assert told.changes.lately(1)
    assert len(told.changes._viewers) == 1


def test_whoever_asks_to_be_told_is_told_too(told: Told) -> None:
    also: list[int | None] = []
    told.changes.tell(also.append, lambda: also.append(None))
    told.tell("cdc.follows", follower_id=7, followee_id=8)
    told.changes.missed()
    assert also == [7, None]
    assert (told.touched, told.forgotten) == ([7], 2)
