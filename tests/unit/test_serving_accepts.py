"""Which Accept headers have room for JSON."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.serving.accepts import accepts_json
from tests.unit.test_ranking_candidates import law


@pytest.mark.parametrize(
    "accept",
    [
        "", " ", "*/*", "application/json", "application/*", "APPLICATION/JSON", "text/xml, application/json",
        "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "application/json; charset=utf-8",
        "text/xml;q=1, */*;q=0.001", "application/json;q=1, */*;q=0", "application/json;q=high",
    ],
)  # fmt: skip
def test_a_header_with_room_for_json_is_answered(accept: str) -> None:
    assert accepts_json(accept)


@pytest.mark.parametrize(
    "accept",
    [
        "text/xml", "application/xml", "text/*", "application/json;q=0", "*/*;q=0", "application/*;q=0.0, */*",
        "application/json; q = 0, application/*", "json", "image/png, text/html;q=0.5", "application/problem+json",
    ],
)  # fmt: skip
def test_a_header_that_leaves_json_out_is_not(accept: str) -> None:
    assert not accepts_json(accept)


@law
@given(st.text(max_size=60))
def test_json_that_is_asked_for_is_found_whatever_stands_before_it(other: str) -> None:
    assert accepts_json(f"{other},application/json")
    assert isinstance(accepts_json(other), bool)
