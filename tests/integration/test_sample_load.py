"""The sample network and its live mode on a real PostgreSQL. ``postgres_dsn`` is an empty, migrated database."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from nova_feed.clock import SystemClock
from nova_feed.local.sample.live import App, simulate
from nova_feed.local.sample.load import TABLES, LoadRefusedError, load
from nova_feed.local.sample.network import Network
from nova_feed.local.sample.pace import Rates
from nova_feed.local.sample.population import NobodyThereError, read_population
from nova_feed.local.sample.sizes import NetworkSize
from nova_feed.local.sample.tally import Statistics

pytestmark = pytest.mark.integration

TINY = NetworkSize("tiny", 200, 10, 1_000, 4_000, 1_000, 20, 30, 25, 0.1)


def network() -> Network:
    return Network(TINY, 7, SystemClock().now_ms())


def ignore(done: int, total: int, what: str) -> None:
    """Nobody watches."""


def unheard(statistics: Statistics) -> None:
    """Nobody listens."""


@pytest.fixture
async def pool(postgres_dsn: str) -> AsyncIterator[asyncpg.Pool]:
    async with asyncpg.create_pool(postgres_dsn, min_size=0, max_size=6) as pool:
        yield pool


async def counts(pool: asyncpg.Pool) -> dict[str, int]:
    return {table: await pool.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES}


class Sink:
    """An event API that remembers what it was sent."""

    def __init__(self) -> None:
        self.events: list[dict[str, object]] = []
        self.app = Starlette(routes=[Route("/api/v1/events", self.accept, methods=["POST"])])

    async def accept(self, request: Request) -> Response:
        batch = (await request.json())["events"]
        self.events += batch
        return JSONResponse({"accepted": len(batch), "deduped": 0, "invalid": 0}, 202)


async def live(
    pool: asyncpg.Pool, sink: Sink, *, duration_s: float | None, stop: asyncio.Event | None = None
) -> Statistics:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(sink.app)) as http:
        return await simulate(
            App(pool, http, "http://api", lambda: "token"),
            Rates(20, 100, 20, 30, 400),
            duration_s=duration_s,
            seed=1,
            clock=SystemClock(),
            stop=stop or asyncio.Event(),
            report=unheard if stop is None else lambda statistics: stop.set(),
        )


async def test_a_load_writes_exactly_what_was_promised_and_reports_it(pool: asyncpg.Pool) -> None:
    heard: list[tuple[int, int, str]] = []
    async with pool.acquire() as connection:
        await load(connection, network(), lambda *report: heard.append(report))
    found = await counts(pool)
    assert found == {
        "users": 200, "posts": 1_000, "follows": 2_000, "comments": 1_000, "likes": 4_000, "blocks": 20, "mutes": 30
    }  # fmt: skip
    assert heard[-1][:2] == (TINY.rows, TINY.rows)
    assert [what for _, _, what in heard] == list(TABLES)


async def test_after_a_load_the_app_goes_on_with_the_next_id(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        await load(connection, network(), ignore)
    assert await pool.fetchval("INSERT INTO users (username) VALUES ('next one') RETURNING id") == 201
    assert await pool.fetchval("INSERT INTO posts (author_id) VALUES (1) RETURNING id") == 1_001


async def test_tables_that_hold_rows_are_named_and_left_alone(pool: asyncpg.Pool) -> None:
    await pool.execute("INSERT INTO users (username) VALUES ('somebody')")
    async with pool.acquire() as connection:
        with pytest.raises(LoadRefusedError, match=r"hold rows: users$"):
            await load(connection, network(), ignore)
    assert (await counts(pool))["users"] == 1


async def test_a_database_without_the_apps_tables_is_refused(pool: asyncpg.Pool) -> None:
    await pool.execute("DROP TABLE mutes")
    async with pool.acquire() as connection:
        with pytest.raises(LoadRefusedError, match="missing: mutes"):
            await load(connection, network(), ignore)


async def test_a_load_that_breaks_off_leaves_nothing_behind(pool: asyncpg.Pool) -> None:
    class BrokenOffError(Exception):
        pass

    def break_off(done: int, total: int, what: str) -> None:
        if what == "likes":
            raise BrokenOffError

    async with pool.acquire() as connection:
        with pytest.raises(BrokenOffError):
            await load(connection, network(), break_off)
        assert not any((await counts(pool)).values())
        await load(connection, network(), ignore)


async def test_a_population_is_read_with_the_topics_of_its_people(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        await load(connection, network(), ignore)
    population = await read_population(pool)
    assert len(population.people) == 200
    assert all(person.topic in Network(TINY, 7, 0).writer.topics for person in population.people)
    assert len(population.posts) == 1_000
    assert len(population.follows) == 2_000
    assert len(population.likes) == 4_000


async def test_live_people_change_every_table_they_report_and_send_events_of_all_kinds(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        await load(connection, network(), ignore)
    before, sink = await counts(pool), Sink()
    statistics = await live(pool, sink, duration_s=3)
    after, done = await counts(pool), statistics.changes
    assert not statistics.errors
    assert after["posts"] - before["posts"] == done["post"] - done["delete"]
    assert after["blocks"] - before["blocks"] == done["block"]
    assert done["like"] > 100
    assert len(sink.events) == sum(statistics.events.values()) == statistics.answers["accepted"]
    assert len({event["event_id"] for event in sink.events}) == len(sink.events) > 800
    assert {event["action"] for event in sink.events} == {"impression", "view", "dwell", "click", "share", "hide"}


async def test_a_stop_ends_a_run_without_end(pool: asyncpg.Pool) -> None:
    async with pool.acquire() as connection:
        await load(connection, network(), ignore)
    statistics = await asyncio.wait_for(live(pool, Sink(), duration_s=None, stop=asyncio.Event()), 10)
    assert statistics.elapsed_s < 3


async def test_an_app_without_people_cannot_be_simulated(pool: asyncpg.Pool) -> None:
    with pytest.raises(NobodyThereError):
        await live(pool, Sink(), duration_s=1)
