"""The two sides of the service: the app that writes, and its users who read."""

from __future__ import annotations

import asyncpg
import httpx
import pytest

from tests.app import App
from tests.reader import Reader, ReaderOf
from tests.stack import LocalStack


@pytest.fixture
def app(postgres: asyncpg.Connection) -> App:
    """The app."""
    return App(postgres)


@pytest.fixture
def reader(api: httpx.AsyncClient, stack: LocalStack) -> ReaderOf:
    """``reader(user_id)``: that user, signed in."""
    return lambda user_id: Reader(api, user_id, stack.token(user_id))
