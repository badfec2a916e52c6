"""Query parameters: what is taken, and by what name the rest is refused."""

from __future__ import annotations

import dataclasses
from contextlib import suppress
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import QueryParams

from nova_feed.errors import InvalidInputError
from nova_feed.serving.query import FeedQuery, day, feed_query
from tests.unit.test_ranking_candidates import law


def read(text: str) -> FeedQuery:
    return feed_query(QueryParams(text))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("algo=ch", {}),
        ("algo=timeline", {"algo": "timeline"}),
        ("limit=1", {"limit": 1}),
        ("limit=100", {"limit": 100}),
        ("limit=007", {"limit": 7}),
        ("cursor=abc", {"cursor": "abc"}),
        ("cursor=", {"cursor": ""}),
        ("explain=true", {"explain": True}),
        ("explain=1", {"explain": True}),
        ("explain=0", {}),
        ("limit=5&algo=timeline&explain=false", {"limit": 5, "algo": "timeline"}),
    ],
)
def test_parameters_that_are_right_are_taken(text: str, expected: dict[str, Any]) -> None:
    assert read(text) == dataclasses.replace(FeedQuery("ch", 50, None, explain=False), **expected)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("limit=0", "limit"), ("limit=101", "limit"), ("limit=-1", "limit"), ("limit=1.5", "limit"),
        ("limit=", "limit"), ("limit=%20%205", "limit"), ("limit=1e1", "limit"), ("limit=\u0665", "limit"),
        ("limit=" + "9" * 5000, "limit"), ("limit=1_0", "limit"), ("limit=+5", "limit"), ("limit=null", "limit"),
        ("algo=", "algo"), ("algo=CH", "algo"), ("algo=ranked", "algo"), ("explain=yes", "explain"),
        ("explain=", "explain"), ("explain=True", "explain"), ("limit=5&limit=5", "limit"),
        ("cursor=a&cursor=b", "cursor"), ("Limit=5", "Limit"), ("user_id=5", "user_id"), ("=5", ""),
    ],
)  # fmt: skip
def test_a_parameter_that_is_wrong_is_refused_by_name(text: str, field: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        read(text)
    assert caught.value.errors[0]["field"] == field
    assert len(str(caught.value)) < 200


@law
@given(st.dictionaries(st.text(max_size=50), st.text(max_size=50)))
def test_any_parameters_are_taken_or_refused_and_nothing_else(parameters: dict[str, str]) -> None:
    with suppress(InvalidInputError):
        assert 1 <= feed_query(QueryParams(parameters)).limit <= 100


TODAY = date(2026, 11, 26)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", TODAY),
        ("date=2026-11-26", TODAY),
        ("date=2026-11-01", date(2026, 11, 1)),
        ("date=2025-11-26", date(2025, 11, 26)),
    ],
)
def test_a_day_is_today_or_the_one_that_is_named(text: str, expected: date) -> None:
    assert day(QueryParams(text), TODAY) == expected


@pytest.mark.parametrize(
    "text",
    ["date=2026-11-27", "date=2025-11-25", "date=20261126", "date=2026-W48-4", "date=yesterday", "date=",
     "date=2026-02-30", "date=2026-11-26&date=2026-11-25", "day=2026-11-26"],
)  # fmt: skip
def test_a_day_that_is_none_or_too_far_away_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError, match=r"date|day"):
        day(QueryParams(text), TODAY)
