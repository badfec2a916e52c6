"""Every answer carries the same headers, unless the endpoint chose its own."""

from __future__ import annotations

from nova_feed.serving.headers import DEFAULTS, complete


def test_an_answer_without_headers_gets_all_of_them_once() -> None:
    found = complete([], {"type": "http"}, "r1")
    assert dict(found) == dict(DEFAULTS) | {b"x-request-id": b"r1"}
    assert len(found) == len(DEFAULTS) + 1


def test_what_an_endpoint_set_is_left_alone() -> None:
    own = [(b"cache-control", b"private, no-store"), (b"content-security-policy", b"default-src 'self'")]
    found = complete(own, {"type": "http"}, "r1")
    assert found[:2] == own
    assert [value for name, value in found if name == b"cache-control"] == [b"private, no-store"]


def test_what_is_left_of_a_limit_that_was_charged_is_told() -> None:
    fields = ((b"ratelimit", b'"reads";r=1;t=2'),)
    assert complete([], {"type": "http", "rate_limit": fields}, "r1")[-1:] == list(fields)
