"""What clients may send: each item judged alone, each refusal naming its field."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.clock import rfc3339
from nova_feed.errors import InvalidInputError
from nova_feed.ingest.validate import AHEAD_MS, MOST, OLDEST_MS, Invalid, Valid, parse, validate
from nova_feed.model import MAX_ID, Action
from tests.unit.test_ranking_candidates import law

NOW = 1_760_000_000_123
MISSING = object()


def judge(user: int = 7, *, service: bool = False, now_ms: int = NOW, **fields: Any) -> Valid | Invalid:
    item = {"post_id": 5, "action": "view"} | fields
    raw = msgspec.Raw(json.dumps({name: value for name, value in item.items() if value is not MISSING}).encode())
    return validate(3, raw, subject_id=user, any_user=service, now_ms=now_ms)


def valid(user: int = 7, **fields: Any) -> Valid:
    verdict = judge(user, **fields)
    assert isinstance(verdict, Valid), verdict
    return verdict


def test_the_least_event_is_about_a_post_by_the_tokens_subject_now() -> None:
    verdict = valid()
    assert (verdict.index, verdict.user_id, verdict.event_time_ms) == (3, 7, NOW)
    assert (verdict.event.dwell_ms, verdict.event.device, verdict.event.app_ver) == (0, "", "")


@pytest.mark.parametrize("action", list(Action))
def test_every_action_of_the_model_may_be_sent(action: Action) -> None:
    assert valid(action=action.value).event.action is action


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("post_id", [MISSING, None, 0, -1, MAX_ID + 1, 2**70, 1.5, "5", [5], True]),
        ("action", [MISSING, None, "", "VIEW", "purchase", 1]),
        ("event_id", ["", "x" * 129, 5, "a\0b", "a\nb", "\x1b[0m", "\u202e"]),
        ("event_time", ["2025-10-09", "2025-10-09T08:53:20", "now", 1_760_000_000, ""]),
        ("user_id", [0, -7, MAX_ID + 1, "7"]),
        ("author_id", [0, -1, MAX_ID + 1, "1"]),
        ("dwell_ms", [-1, 3_600_001, 1.5, "10", None]),
        ("device", ["x" * 65, 5, "a\0b", None]),
        ("app_ver", ["1", "1.2", "v1.2.3", "1.2.3.4", "1.2.3-", "\u0661.\u0662.\u0663", "x" * 65, 1]),
        ("colour", ["red"]),
    ],
)
def test_an_item_with_a_wrong_field_is_refused_by_its_name(field: str, values: list[Any]) -> None:
    for value in values:
        verdict = judge(**{field: value})
        assert isinstance(verdict, Invalid), value
        assert (verdict.index, field in verdict.reason) == (3, True), verdict.reason


@pytest.mark.parametrize("version", ["0.0.1", "1.2.3", "10.20.30-beta.1", "1.0.0+build.5", ""])
def test_semantic_versions_are_taken(version: str) -> None:
    assert valid(app_ver=version).event.app_ver == version


@pytest.mark.parametrize(
    "raw", [b"5", b"null", b'"text"', b"[]", b"{", b"", b'{"post_id":5,"action":"view"}x', b"\xff"]
)
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    assert isinstance(validate(0, msgspec.Raw(raw), subject_id=7, any_user=False, now_ms=NOW), Invalid)


@pytest.mark.parametrize(
    ("offset_ms", "reason"),
    [
        (-OLDEST_MS - 1, "event_time: older than 24 h"), (-OLDEST_MS, None), (0, None), (AHEAD_MS, None),
        (AHEAD_MS + 1, "event_time: more than 5 min ahead"),
    ],
)  # fmt: skip
def test_events_are_taken_from_a_day_ago_until_five_minutes_ahead(offset_ms: int, reason: str | None) -> None:
    verdict = judge(event_time=rfc3339(NOW + offset_ms))
    assert (verdict.reason if isinstance(verdict, Invalid) else None) == reason


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59.999999-14:00"])
def test_the_ends_of_the_calendar_are_refused_like_any_other_time(moment: str) -> None:
    assert isinstance(judge(event_time=moment), Invalid)


@law
@given(st.integers(-14 * 60, 14 * 60))
def test_a_moment_is_the_same_in_every_zone(minutes: int) -> None:
    sign, ahead = "+" if minutes >= 0 else "-", abs(minutes)
    local = rfc3339(NOW + minutes * 60_000).removesuffix("Z")
    assert valid(event_time=f"{local}{sign}{ahead // 60:02}:{ahead % 60:02}").event_time_ms == NOW


def test_a_user_speaks_for_himself_alone() -> None:
    assert valid(7, user_id=7).user_id == 7
    assert judge(7, user_id=8) == Invalid(3, "user_id: must be the token's own subject")


def test_a_service_speaks_for_anybody() -> None:
    assert valid(7, service=True, user_id=8).user_id == 8


@law
@given(st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=128), st.integers(0, 10**6))
def test_an_event_id_alone_recognises_an_event(event_id: str, later_ms: int) -> None:
    first = valid(event_id=event_id)
    again = valid(event_id=event_id, post_id=9, action="click", now_ms=NOW + later_ms)
    assert first.key == again.key


@law
@given(st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=9), unique=True, min_size=2))
def test_different_event_ids_are_different_events(ids: list[str]) -> None:
    assert len({valid(event_id=event_id).key for event_id in ids}) == len(ids)


@pytest.mark.parametrize("fields", [{"post_id": 6}, {"action": "click"}, {"event_time": rfc3339(NOW - 1000)}])
def test_without_an_event_id_another_post_action_or_second_is_another_event(fields: dict[str, Any]) -> None:
    assert valid(**fields).key != valid().key


def test_without_an_event_id_another_user_is_another_event() -> None:
    assert valid(7).key != valid(8).key


def test_without_an_event_id_the_same_within_a_second_is_the_same_event() -> None:
    assert valid(event_time=rfc3339(NOW - 123), dwell_ms=5).key == valid(event_time=rfc3339(NOW + 876)).key


def test_an_event_id_cannot_pretend_to_be_a_derived_key() -> None:
    assert valid(event_id=f"of:7:5:view:{NOW // 1000}").key != valid().key


@pytest.mark.parametrize("count", [1, 2, MOST])
def test_a_batch_is_taken_apart_without_looking_into_its_items(count: int) -> None:
    body = json.dumps({"events": [{"anything": i} for i in range(count)]}).encode()
    assert [json.loads(bytes(item)) for item in parse(body)] == [{"anything": i} for i in range(count)]


@pytest.mark.parametrize("count", [0, MOST + 1])
def test_a_batch_of_another_size_is_refused_as_a_whole(count: int) -> None:
    with pytest.raises(InvalidInputError, match=f"events has {count} items; it must have 1 to 100") as caught:
        parse(json.dumps({"events": [{}] * count}).encode())
    assert caught.value.errors[0]["field"] == "events"


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b'{"events": {}}', b'{"events": [{}], "more": 1}', b'{"events": [1,]}', b"\xff\xfe",
     b'{"events": ' + b"[" * 100_000],
)  # fmt: skip
def test_a_body_of_another_shape_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(InvalidInputError, match="the body must be JSON like"):
        parse(body)


@law
@given(st.binary(max_size=60))
def test_any_bytes_are_judged_and_never_break_the_judge(raw: bytes) -> None:
    assert isinstance(validate(0, msgspec.Raw(raw), subject_id=7, any_user=False, now_ms=NOW), Valid | Invalid)
