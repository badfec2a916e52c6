"""The one real stack of a test run: started when the first test asks for it, gone when the run ends."""

from __future__ import annotations

import signal
import time
from collections.abc import AsyncIterator, Iterator

import asyncpg
import httpx
import pytest

from nova_feed.capture.migrate import migrate
from nova_feed.store.client import Store
from tests.app import App
from tests.reader import Reader, ReaderOf
from tests.stack import LocalStack


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--faults", choices=("short", "full"), default="short", help="how long each fault lasts")


def pytest_configure() -> None:
    # Whoever ends a test run ends it as Ctrl-C does: fixtures are torn down, no server stays behind.
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def stack() -> Iterator[LocalStack]:
    """The whole stack with the small sample network, on free ports, in a folder of its own."""
    running = LocalStack.in_new_home()
    try:
        running.up()
        yield running
    finally:
        running.remove()


@pytest.fixture
async def api(stack: LocalStack) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API, without a token."""
    async with httpx.AsyncClient(base_url=stack.facts["api_url"], timeout=10) as client:
        yield client


@pytest.fixture
async def postgres(stack: LocalStack) -> AsyncIterator[asyncpg.Connection]:
    """The app's own connection to its database."""
    connection = await asyncpg.connect(stack.facts["postgres_url"], timeout=10)
    yield connection
    await connection.close()


@pytest.fixture
def app(postgres: asyncpg.Connection) -> App:
    """The app, writing its own tables."""
    return App(postgres)


@pytest.fixture
def reader(stack: LocalStack, api: httpx.AsyncClient) -> ReaderOf:
    """user id -> that user, signed in."""
    return lambda user_id: Reader(api, user_id, stack.token(user_id))


@pytest.fixture
async def clickhouse(stack: LocalStack) -> AsyncIterator[Store]:
    store = Store(stack.facts["clickhouse_url"], timeout_s=10, name="nova tests")
    yield store
    await store.close()


@pytest.fixture
async def postgres_dsn(stack: LocalStack) -> AsyncIterator[str]:
    """An empty, migrated database of its own."""
    admin = await asyncpg.connect(stack.facts["postgres_url"], timeout=10)
    name = f"scratch_{time.time_ns()}"
    await admin.execute(f"CREATE DATABASE {name}")
    dsn = stack.facts["postgres_url"].rsplit("/", 1)[0] + f"/{name}"
    await migrate(dsn)
    yield dsn
    await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await admin.close()
