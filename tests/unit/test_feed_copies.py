"""Pages kept in a process: shown again only while nothing that their rules read has changed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.cache.lists import Role
from nova_feed.feed.changes import LATEST_S
from nova_feed.feed.copies import (
    ASKED_OF_LIFE,
    CONFIRMED_S,
    EARLY_S,
    LIFE_S,
    SPARE_BYTES,
    STANDS_IN_S,
    TRUSTED_S,
    UNCONFIRMED_S,
    Copies,
    Copy,
    Rows,
)
from nova_feed.stream.consumer import Received
from nova_feed.topics import HEARTBEAT
from tests.unit.test_clock import VirtualClock

VIEWER, LIMIT = 7, 50
ROWS = Rows.of((1, 2, 3), (11, 12, 13), (True, True, False))


class Kept(Copies):
    """Copies over a clock that stands still, with all that is needed to be known."""

    def __init__(self, clock: VirtualClock, most_bytes: int = 1 << 20) -> None:
        super().__init__(clock, version=lambda: self.made_by, list_ttl_s=lambda: self.list_ttl_s, most_bytes=most_bytes)
        self.list_ttl_s = 600
        self.virtual, self.made_by = clock, 1
        self.changes.missed()
        self.beat()

    def tell(self, topic: str, **row: Any) -> None:
        self.changes.handle([Received(topic, 0, 0, json.dumps(row).encode())])

    def beat(self) -> None:
        self.changes.clock_read(float(self.virtual.now_ms()), self.virtual.monotonic())
        from nova_feed.clock import rfc3339

        self.tell(HEARTBEAT.name, id=1, beat_at=rfc3339(self.virtual.now_ms()))

    def pass_s(self, seconds: float) -> None:
        self.virtual.pass_s(seconds)
        self.beat()

    def pass_told_s(self, seconds: float) -> None:
        """Time in which Valkey tells of nothing, and answers that it did."""
        self.pass_s(seconds)
        self.firsts.heard(self.virtual.monotonic())

    def keep(self, viewer: int = VIEWER, limit: int = LIMIT, list_id: str = "a", body: bytes = b"{") -> bool:
        return self.put(self.mark(), viewer, limit, list_id=list_id, as_of_ms=0, body=body, newer=0, rows=ROWS)

    def get(self, viewer: int, limit: int) -> Copy | None:
        """The copy, if it may be shown as it is."""
        copy = self.doubtful(viewer, limit)
        return copy if copy is not None and self.known(copy) else None

    def found(self, viewer: int = VIEWER, limit: int = LIMIT) -> Copy:
        copy = self.get(viewer, limit)
        assert copy is not None
        return copy


def reread(copies: Kept) -> Copy:
    """The copy, its rules read this moment."""
    copy = copies.doubtful(VIEWER, LIMIT)
    assert copy is not None
    copy.read = copies.virtual.monotonic()
    return copy


@pytest.fixture
def copies() -> Kept:
    return Kept(VirtualClock())


def test_a_page_is_shown_again_to_the_same_viewer_with_the_same_limit_alone(copies: Kept) -> None:
    assert copies.keep()
    assert copies.found().body == b"{"
    assert copies.get(VIEWER, LIMIT - 1) is None
    assert copies.get(VIEWER + 1, LIMIT) is None


def test_a_page_is_shown_while_it_is_known_what_changed_or_its_rules_were_just_read(copies: Kept) -> None:
    copies.keep()
    copies.virtual.pass_s(LATEST_S + 0.1)
    assert copies.get(VIEWER, LIMIT) is None
    copies.beat()
    assert copies.found().list_id == "a"
    copies.virtual.pass_s(LATEST_S + 0.1)
    assert copies.keep(list_id="b")
    copies.virtual.pass_s(LATEST_S - 0.1)
    assert copies.found().list_id == "b"
    copies.virtual.pass_s(0.2)
    assert copies.get(VIEWER, LIMIT) is None
    assert reread(copies) is copies.found()


def test_what_is_made_while_records_may_be_missed_is_not_kept(copies: Kept) -> None:
    mark = copies.mark()
    copies.changes.missed()
    copies.beat()
    assert not copies.put(mark, VIEWER, LIMIT, list_id="a", as_of_ms=0, body=b"{", newer=0, rows=ROWS)
    assert copies.keep()


@pytest.mark.parametrize(
    ("topic", "row"),
    [
        ("cdc.blocks", {"blocker_id": VIEWER, "blocked_id": 9}),
        ("cdc.blocks", {"blocker_id": 9, "blocked_id": VIEWER}),
        ("cdc.mutes", {"muter_id": VIEWER, "muted_id": 9}),
        ("cdc.follows", {"follower_id": VIEWER, "followee_id": 9, "__deleted": "true"}),
        ("cdc.nova_hidden", {"user_id": VIEWER, "post_id": 2}),
        ("cdc.posts", {"id": 2, "__deleted": "true"}),
    ],
)
def test_whatever_takes_something_out_of_the_page_takes_the_copy(copies: Kept, topic: str, row: dict[str, Any]) -> None:
    copies.keep()
    mark = copies.mark()
    copies.tell(topic, **row)
    assert copies.get(VIEWER, LIMIT) is None
    # A page whose rules were read before is not kept either, or not shown.
    copies.put(mark, VIEWER, LIMIT, list_id="a", as_of_ms=0, body=b"", newer=0, rows=ROWS)
    assert copies.get(VIEWER, LIMIT) is None


def test_what_concerns_others_leaves_it(copies: Kept) -> None:
    copies.keep()
    copies.tell("cdc.blocks", blocker_id=8, blocked_id=9)
    copies.tell("cdc.follows", follower_id=8, followee_id=VIEWER)
    copies.tell("cdc.posts", id=4, __deleted="true")
    copies.tell("cdc.posts", id=2, __deleted="false")
    assert copies.found().list_id == "a"


def test_valkey_is_asked_every_two_seconds_whether_the_list_is_still_the_newest(copies: Kept) -> None:
    copies.keep()
    copies.pass_s(CONFIRMED_S)
    assert not copies.due(copies.found())
    copies.pass_s(0.1)
    assert copies.due(copies.found())
    copies.judge([copies.found()], [Role.FIRST], copies.virtual.monotonic())
    assert not copies.due(copies.found())


def test_a_valkey_that_does_not_say_is_waited_for_a_while(copies: Kept) -> None:
    copies.keep()
    copies.pass_s(UNCONFIRMED_S)
    assert copies.may_wait(copies.found())
    copies.pass_s(0.1)
    assert not copies.may_wait(copies.found())
    copies.judge([copies.found()], [Role.FIRST], copies.virtual.monotonic())
    assert copies.may_wait(copies.found())


def test_copies_in_use_are_asked_for_before_they_are_due_and_the_ones_that_are_not_named_go(copies: Kept) -> None:
    copies.keep()
    assert copies.soon_due() == []
    copies.pass_s(CONFIRMED_S - EARLY_S + 0.1)
    [soon] = copies.soon_due()
    assert soon is copies.found()
    copies.judge([soon], [Role.FIRST], copies.virtual.monotonic())
    assert copies.soon_due() == []
    copies.pass_s(CONFIRMED_S + 0.1)
    assert copies.soon_due() == []  # nobody asked for it lately
    assert copies.due(copies.found())
    [again] = copies.soon_due()
    copies.keep(list_id="b")
    copies.judge([again], [Role.GONE], copies.virtual.monotonic())  # of the list before
    assert copies.found().list_id == "b"
    copies.judge([copies.found()], [Role.GONE], copies.virtual.monotonic())
    assert copies.get(VIEWER, LIMIT) is None


def in_use(copies: Kept) -> Copy:
    """A copy that somebody asks for all the time."""
    copies.keep()
    copies.found()
    copies.pass_s(0.1)
    return copies.found()


def replaced(copies: Kept) -> list[Copy]:
    return [copies.replaced.get_nowait() for _ in range(copies.replaced.qsize())]


def test_a_copy_in_use_stands_in_for_a_while_when_its_list_is_replaced_and_is_to_be_made_anew_once(
    copies: Kept,
) -> None:
    copy = in_use(copies)
    for _ in range(3):
        copies.judge([copy], [Role.REPLACED], copies.virtual.monotonic())
    assert replaced(copies) == [copy]
    assert copies.soon_due() == []
    copies.pass_s(STANDS_IN_S)
    assert copies.stands_in(copies.found())
    copies.pass_s(0.1)
    assert not copies.stands_in(copies.found())
    copies.judge([copies.found()], [Role.REPLACED], copies.virtual.monotonic())
    assert copies.get(VIEWER, LIMIT) is None


def test_the_page_made_anew_takes_its_place(copies: Kept) -> None:
    copy = in_use(copies)
    copies.judge([copy], [Role.REPLACED], copies.virtual.monotonic())
    copies.keep(list_id="b")
    assert not copies.holds(copy)
    assert not copies.stands_in(copies.found())
    copies.pass_s(CONFIRMED_S + 0.1)
    assert copies.soon_due() == []  # that it was made is no use of it


def test_what_answers_again_after_all_stands_in_for_nothing(copies: Kept) -> None:
    copy = in_use(copies)
    copies.judge([copy], [Role.REPLACED], copies.virtual.monotonic())
    copies.judge([copy], [Role.FIRST], copies.virtual.monotonic())
    assert not copies.stands_in(copy)


@pytest.mark.parametrize("role", [Role.REPLACED, Role.GONE])
def test_a_copy_that_nobody_used_for_a_while_does_not_stand_in(copies: Kept, role: Role) -> None:
    copies.keep()
    copies.pass_s(CONFIRMED_S + 0.1)
    copies.judge([copies.found()], [role], copies.virtual.monotonic())
    assert copies.get(VIEWER, LIMIT) is None
    assert replaced(copies) == []


def test_one_whose_list_must_not_answer_does_not_stand_in_either(copies: Kept) -> None:
    copies.judge([in_use(copies)], [Role.GONE], copies.virtual.monotonic())
    assert copies.get(VIEWER, LIMIT) is None
    copies.judge([in_use(copies)], [Role.REPLACED], copies.virtual.monotonic())
    copies.tell("cdc.posts", id=2, __deleted="true")
    assert copies.get(VIEWER, LIMIT) is None


def test_a_copy_has_an_end_whatever_confirms_it(copies: Kept) -> None:
    copies.keep()
    for _ in range(int(LIFE_S)):
        copies.pass_s(1)
        copies.judge([reread(copies)], [Role.FIRST], copies.virtual.monotonic())
    copies.pass_s(1)
    assert copies.doubtful(VIEWER, LIMIT) is None


def test_not_everything_may_be_told_so_rules_are_read_again_after_a_while(copies: Kept) -> None:
    copies.keep()
    copies.pass_s(TRUSTED_S)
    assert copies.found().list_id == "a"
    copies.pass_s(0.1)
    assert copies.get(VIEWER, LIMIT) is None
    assert reread(copies) is copies.found()


def test_of_copies_in_use_that_is_known_before(copies: Kept) -> None:
    copies.keep()
    copies.pass_s(TRUSTED_S / 2)
    assert copies.found() not in copies.soon_distrusted()
    copies.pass_s(0.1)
    assert copies.soon_distrusted() == [copies.found()]
    copies.pass_s(CONFIRMED_S + 0.1)
    assert copies.soon_distrusted() == []  # nobody asked for it lately
    reread(copies)
    assert copies.soon_distrusted() == []


def test_tables_in_other_files_take_everything_and_so_does_a_partition_more(copies: Kept) -> None:
    copies.changes.files_read([1, 2, 3])
    copies.keep()
    copies.changes.files_read([1, 2, 3])
    assert copies.found().list_id == "a"
    for files in ([1, 2, 9], [1, 2, 9, 10]):
        copies.keep()
        mark = copies.mark()
        copies.changes.files_read(files)
        assert copies.get(VIEWER, LIMIT) is None
        assert not copies.put(mark, VIEWER, LIMIT, list_id="a", as_of_ms=0, body=b"{", newer=0, rows=ROWS)


def test_a_valkey_that_tells_of_newer_lists_is_asked_of_none_but_those(copies: Kept) -> None:
    copies.firsts.began()
    copies.pass_told_s(0.1)
    copies.keep()
    copies.keep(viewer=8)
    for _ in range(10):
        copies.pass_told_s(CONFIRMED_S)
        assert not copies.due(copies.found())
        assert copies.soon_due() == []
    copies.firsts.changed([VIEWER])
    assert copies.due(copies.found())
    assert not copies.due(copies.found(viewer=8))
    assert copies.soon_due() == [copies.found()]
    assert copies.told_of() == [copies.found()]
    assert copies.told_of() == []
    asked = copies.virtual.monotonic()
    copies.pass_told_s(0.1)
    copies.judge([copies.found()], [Role.FIRST], asked)  # what was asked before it was told is no answer to that
    assert copies.due(copies.found())
    copies.judge([copies.found()], [Role.FIRST], copies.virtual.monotonic())
    assert not copies.due(copies.found())
    copies.firsts.all_changed()
    copies.pass_told_s(CONFIRMED_S + 0.1)
    assert copies.due(copies.found())
    assert copies.due(copies.found(viewer=8))


def test_a_page_is_not_of_the_newest_list_when_another_was_told_of_while_it_was_made(copies: Kept) -> None:
    copies.firsts.began()
    copies.pass_told_s(0.1)
    mark = copies.mark()
    copies.pass_told_s(0.1)
    copies.firsts.changed([VIEWER])
    copies.put(mark, VIEWER, LIMIT, list_id="a", as_of_ms=0, body=b"{", newer=0, rows=ROWS)
    assert copies.due(copies.found())


def test_while_valkey_is_not_heard_of_it_is_asked_as_if_it_told_nothing(copies: Kept) -> None:
    copies.firsts.began()
    copies.pass_told_s(0.1)
    copies.keep()
    copies.pass_told_s(30)
    copies.pass_s(CONFIRMED_S - 0.1)
    assert not copies.due(copies.found())
    copies.pass_s(0.2)
    assert copies.due(copies.found())
    assert copies.may_wait(copies.found())
    copies.pass_s(UNCONFIRMED_S)
    assert not copies.may_wait(copies.found())
    copies.firsts.began()  # again: what came in between may have been missed
    copies.pass_told_s(0.1)
    assert copies.due(copies.found())


def test_a_list_is_asked_for_before_its_life_ends_though_nothing_is_told_of_it(copies: Kept) -> None:
    copies.firsts.began()
    copies.pass_told_s(0.1)
    copies.list_ttl_s = 60
    copies.keep()
    copies.pass_told_s(60 * ASKED_OF_LIFE / 2 + 0.1)
    assert copies.soon_due() == []  # nobody looked lately
    assert not copies.due(copies.found())
    assert copies.soon_due() == [copies.found()]
    copies.pass_told_s(60 * ASKED_OF_LIFE / 2)
    assert copies.due(copies.found())


def test_a_page_of_a_newer_list_replaces_all_pages_of_the_older(copies: Kept) -> None:
    copies.keep(limit=10)
    copies.keep(limit=20)
    copies.keep(limit=20, list_id="b")
    assert copies.get(VIEWER, 10) is None
    assert copies.found(limit=20).list_id == "b"


def test_a_page_made_by_another_configuration_is_not_shown(copies: Kept) -> None:
    mark = copies.mark()
    copies.made_by = 2
    copies.put(mark, VIEWER, LIMIT, list_id="a", as_of_ms=0, body=b"", newer=0, rows=ROWS)
    assert copies.get(VIEWER, LIMIT) is None
    copies.keep()
    assert copies.found().version == 2


def test_records_that_may_have_been_missed_take_everything(copies: Kept) -> None:
    copies.keep()
    copies.changes.missed()
    copies.beat()
    assert copies.get(VIEWER, LIMIT) is None
    assert len(copies) == 0


@given(st.lists(st.tuples(st.integers(1, 5), st.sampled_from([10, 20]), st.integers(0, 3_000)), max_size=40))
def test_all_copies_together_have_a_size_and_those_used_last_stay(pages: list[tuple[int, int, int]]) -> None:
    most = 3 * (SPARE_BYTES + 3_000)
    copies = Kept(VirtualClock(), most_bytes=most)
    for viewer, limit, size in pages:
        copies.keep(viewer, limit, body=bytes(size))
        held = [copy for viewer in copies._all.values() for copy in viewer.values()]
        assert copies._bytes == sum(len(copy.body) + SPARE_BYTES for copy in held) <= most
        assert copies.get(viewer, limit) is not None
