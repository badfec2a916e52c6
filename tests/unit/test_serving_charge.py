"""Whom a request is charged to, and what the caller is told of it."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from nova_feed.errors import RateLimitedError
from nova_feed.serving.auth import Principal
from nova_feed.serving.charge import Limits, address_of, charge, limits
from nova_feed.serving.gcra import Quota
from nova_feed.serving.limiter import Limiter
from nova_feed.settings import load
from tests.caches import BacklogsInMemory
from tests.unit.test_clock import VirtualClock

USER, SERVICE = Principal(7, frozenset()), Principal(7, frozenset({"service"}))


def request(host: str | None = "192.0.2.1") -> Request:
    return Request({"type": "http", "headers": [], "client": host and (host, 5)})


def told(request: Request) -> dict[bytes, bytes]:
    return dict(request.scope["rate_limit"])


def made() -> Limits:
    clock = VirtualClock()
    return limits(load({}), BacklogsInMemory(clock).spend, clock)


def test_a_service_has_limits_of_its_own() -> None:
    found = made()
    assert (found.reads_of(USER), found.events_of(USER)) == (found.reads, found.events)
    assert (found.reads_of(SERVICE), found.events_of(SERVICE)) == (found.service_reads, found.service_events)
    assert len({limit.name for limit in (found.reads, found.events, found.service_reads, found.service_events,
                                         found.anonymous)}) == 5  # fmt: skip


def test_a_batch_of_a_hundred_fits_into_the_least_limit_that_may_be_set() -> None:
    assert load({"NOVA_LIMIT_EVENTS": "100"}).limit_events == 100


async def test_the_caller_is_told_the_limit_and_what_is_left_of_it() -> None:
    asked, found = request(), made()
    await charge(asked, found.events, "7", 100)
    assert told(asked) == {b"ratelimit-policy": b'"events";q=6000;w=60', b"ratelimit": b'"events";r=5900;t=1'}


async def test_whoever_is_refused_is_told_when_to_come_again_and_that_is_true() -> None:
    clock = VirtualClock()
    limit = Limiter("reads", Quota(10), BacklogsInMemory(clock).spend, clock)
    await charge(request(), limit, "7", 10)
    asked = request()
    with pytest.raises(RateLimitedError, match=r"'reads' is 10 in 60 s; try again in 18 s") as refused:
        await charge(asked, limit, "7", 3)
    assert asked.scope["told"] == {"limited": "reads", "caller": "7"}, "the log names the caller"
    clock.pass_s(refused.value.retry_after_s)
    await charge(request(), limit, "7", 3)


@pytest.mark.parametrize(
    ("host", "caller"),
    [
        ("192.0.2.1", "192.0.2.1"), ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"), ("2001:db8:1:2::9", "2001:db8:1:2::"),
        ("::ffff:192.0.2.1", "192.0.2.1"), ("fe80::1%eth0", "fe80::"), (None, ""), ("a:b", "a:b"),
    ],
)  # fmt: skip
def test_an_ipv6_address_is_its_64_bit_network(host: str | None, caller: str) -> None:
    assert address_of(request(host)) == caller
