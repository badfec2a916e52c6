"""The canary looks for its post as a reader would who pages to the end."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from nova_feed.clock import SystemClock
from nova_feed.workers.canary import DEADLINE_S, POLL_S, POLL_SHARE, Canary, CanaryError
from tests.unit.test_clock import VirtualClock

NOBODY: Any = None  # looking at the feed asks no store
VIEWER, POST = 7, 42


class Api:
    """Answers the feed's pages in turn; a cursor is the number of the next one."""

    def __init__(self, *pages: list[tuple[int, int]], fallback: bool = False) -> None:
        self.pages, self.fallback = pages, fallback
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == f"Bearer {VIEWER}"
        number = int(request.url.params.get("cursor", "0"))
        self.asked.append(request.url.params.get("cursor", ""))
        rows = [{"post_id": post, "exposures": exposures} for post, exposures in self.pages[number]]
        after = str(number + 1) if number + 1 < len(self.pages) else None
        return httpx.Response(200, json={"posts": rows, "fallback": self.fallback, "cursor": after})


async def shows(api: Api, exposures: int) -> bool:
    async with httpx.AsyncClient(base_url="http://api", transport=httpx.MockTransport(api)) as http:
        return await Canary(NOBODY, NOBODY, NOBODY, http, str, SystemClock())._feed(VIEWER, POST, exposures)


@pytest.mark.parametrize("before", [0, 1, 3])
async def test_the_post_is_found_on_whatever_page_it_stands(before: int) -> None:
    api = Api(*[[(n, 5)] for n in range(before)], [(POST, 0), (1_000, 0)], [(1_001, 0)])
    assert await shows(api, 0)
    assert api.asked == ["", *(str(n) for n in range(1, before + 1))]


@pytest.mark.parametrize(("exposures", "shown"), [(0, False), (1, True), (2, True)])
async def test_the_event_is_seen_when_the_post_has_its_exposure(exposures: int, shown: bool) -> None:
    assert await shows(Api([(POST, exposures)]), 1) is shown


async def test_a_post_on_no_page_is_not_there() -> None:
    assert not await shows(Api([(1, 0)], []), 0)


async def test_a_fallback_is_not_the_ranked_feed() -> None:
    assert not await shows(Api([(POST, 1)], fallback=True), 0)


class Busy:
    """Takes an event in when it was sent for the ``tries``-th time, and says ``again`` in between."""

    def __init__(self, tries: int, again: dict[str, str]) -> None:
        self.tries, self.again, self.asked = tries, again, list[bytes]()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.content)
        return httpx.Response(202 if len(self.asked) == self.tries else 503, headers=self.again)


async def sent(api: Busy) -> float:
    """Seconds until it is accepted."""
    stage = Stage(0)
    async with httpx.AsyncClient(base_url="http://api", transport=httpx.MockTransport(api)) as http:
        canary = Canary(NOBODY, NOBODY, NOBODY, http, str, stage.clock, stage.sleep)
        await canary._accepted(VIEWER, {"events": []}, stage.start + DEADLINE_S)
    return stage.clock.monotonic() - stage.start


async def test_an_event_that_is_refused_for_now_is_sent_again_when_it_was_told_to() -> None:
    api = Busy(3, {"Retry-After": "1"})
    assert await sent(api) == pytest.approx(2)
    assert len(api.asked) == 3
    assert len(set(api.asked)) == 1


@pytest.mark.parametrize(("again", "asked"), [({}, 1), ({"Retry-After": "1"}, DEADLINE_S + 1)])
async def test_an_event_that_is_not_taken_in_in_time_fails_the_round(again: dict[str, str], asked: int) -> None:
    api = Busy(1_000, again)
    with pytest.raises(CanaryError, match="did not reach accept: the API answered 503"):
        await sent(api)
    assert len(api.asked) == asked


class Stage:
    """Reached ``after_s``, by a clock that goes on while somebody sleeps."""

    def __init__(self, after_s: float) -> None:
        self.clock, self.after_s, self.looks = VirtualClock(), after_s, 0
        self.start = self.clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        self.clock.pass_s(seconds)

    async def look(self) -> bool:
        self.looks += 1
        return self.clock.monotonic() - self.start >= self.after_s

    async def reached(self) -> float:
        waiting = Canary(NOBODY, NOBODY, NOBODY, NOBODY, str, self.clock, self.sleep)
        return await waiting._until("stage", self.start, self.look)


@pytest.mark.parametrize(("after_s", "most_looks"), [(0.0, 1), (0.3, 8), (5.0, 50), (25.0, 70)])
async def test_a_stage_is_looked_at_less_often_the_longer_it_takes(after_s: float, most_looks: int) -> None:
    stage = Stage(after_s)
    assert after_s <= await stage.reached() <= after_s * (1 + POLL_SHARE) + POLL_S
    assert stage.looks <= most_looks


async def test_a_stage_that_is_not_reached_in_time_is_named() -> None:
    with pytest.raises(CanaryError, match="did not reach stage") as caught:
        await Stage(DEADLINE_S + 10).reached()
    assert caught.value.stage == "stage"
