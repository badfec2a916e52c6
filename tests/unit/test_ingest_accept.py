"""From an outbox row to records: only what was accepted, each with its seq."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.ingest.accept import Accepted, _line, records
from nova_feed.ingest.validate import Valid, validate
from nova_feed.model import Event
from tests.unit.test_ranking_candidates import law

NOW = 1_760_000_000_123
FIELDS = st.fixed_dictionaries(
    {"post_id": st.integers(1, 2**63 - 1), "action": st.sampled_from(["view", "like", "dwell"])},
    optional={
        "event_id": st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=40),
        "device": st.text(st.characters(categories=["L", "N", "P"]), max_size=40),
        "dwell_ms": st.integers(0, 3_600_000),
    },
)


def item(index: int, fields: dict[str, Any], user: int = 7) -> Valid:
    verdict = validate(index, msgspec.Raw(json.dumps(fields).encode()), subject_id=user, any_user=False, now_ms=NOW)
    assert isinstance(verdict, Valid)
    return verdict


@law
@given(st.lists(st.tuples(FIELDS, st.booleans()), min_size=1, max_size=20))
def test_the_records_are_the_new_events_each_with_its_seq(sent: list[tuple[dict[str, Any], bool]]) -> None:
    items = [item(i, fields, user=i + 1) for i, (fields, _) in enumerate(sent)]
    positions = tuple(i for i, (_, new) in enumerate(sent) if new)
    body = b"\n".join(_line(one, 99) for one in items)
    read = [msgspec.json.decode(record.value, type=Event) for record in records(Accepted(1280, NOW, positions, body))]
    assert read == [
        Event(1280 + i, NOW, one.event.event_id or str(one.key), NOW, one.user_id, one.event.post_id, 99,
              one.event.action, one.event.dwell_ms, one.event.device)
        for i, one in enumerate(items) if i in positions
    ]  # fmt: skip


def test_a_record_is_keyed_by_its_user() -> None:
    body = b"\n".join(_line(item(0, {"post_id": 1, "action": "view"}, user), 2) for user in (5, 12))
    assert [record.key for record in records(Accepted(128, NOW, (0, 1), body))] == [b"5", b"12"]


def test_a_row_that_names_a_line_it_has_not_is_refused() -> None:
    with pytest.raises(IndexError):
        records(Accepted(128, NOW, (0, 1), _line(item(0, {"post_id": 1, "action": "view"}), 2)))
