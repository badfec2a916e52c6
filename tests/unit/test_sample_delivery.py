import asyncpg
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from nova_feed.local.sample.delivery import EventSender, persist
from nova_feed.local.sample.planner import ClientEvent
from nova_feed.local.sample.tally import Statistics

BATCH: list[ClientEvent] = [{"event_id": "1", "action": "view"}, {"event_id": "2", "action": "view"}]


class Api:
    """An event API that answers with the given statuses in turn, and keeps what it was sent."""

    def __init__(self, *statuses: int) -> None:
        self.statuses, self.bodies, self.tokens = list(statuses), list[object](), list[str]()
        self.app = Starlette(routes=[Route("/api/v1/events", self.events, methods=["POST"])])

    async def events(self, request: Request) -> Response:
        self.bodies.append(await request.json())
        self.tokens.append(request.headers["Authorization"])
        return JSONResponse({"received": 2, "accepted": 1, "deduped": 1, "invalid": 0}, self.statuses.pop(0))

    async def send(self, statistics: Statistics) -> None:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app)) as http:
            sender = EventSender(http, "http://api/api/v1/events", lambda: "secret", statistics)
            await sender.carry_out(BATCH)


@pytest.fixture
def statistics() -> Statistics:
    return Statistics()


async def test_an_accepted_batch_is_counted_with_the_servers_own_words(statistics: Statistics) -> None:
    api = Api(202)
    await api.send(statistics)
    assert api.bodies == [{"events": BATCH}]
    assert api.tokens == ["Bearer secret"]
    assert statistics.events == {"view": 2}
    assert statistics.answers == {"accepted": 1, "deduped": 1, "invalid": 0}


async def test_a_busy_server_is_sent_the_very_same_batch_again(statistics: Statistics) -> None:
    api = Api(503, 429, 202)
    await api.send(statistics)
    assert api.bodies == [{"events": BATCH}] * 3
    assert statistics.statuses == {503: 1, 429: 1, 202: 1}
    assert statistics.errors == {"events: BusyError": 2}
    assert statistics.events == {"view": 2}


async def test_a_refused_batch_is_counted_and_let_go(statistics: Statistics) -> None:
    api = Api(401)
    await api.send(statistics)
    assert len(api.bodies) == 1
    assert statistics.errors == {"events: HTTP 401": 1}
    assert not statistics.events


async def test_a_server_that_is_away_is_waited_for_and_every_failure_counted(statistics: Statistics) -> None:
    failures = [asyncpg.InternalClientError("cut in the middle of a message"), ConnectionRefusedError(), TimeoutError()]

    async def attempt() -> str:
        if failures:
            raise failures.pop()
        return "there"

    assert await persist(attempt, "like", statistics.errors) == "there"
    assert statistics.errors == {
        "like: TimeoutError": 1, "like: ConnectionRefusedError": 1, "like: InternalClientError": 1
    }  # fmt: skip


async def test_a_failure_that_waiting_does_not_mend_is_raised_at_once(statistics: Statistics) -> None:
    async def attempt() -> str:
        raise LookupError

    with pytest.raises(LookupError):
        await persist(attempt, "like", statistics.errors)
    assert not statistics.errors
