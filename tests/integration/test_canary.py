"""The canary's users among the app's."""

from __future__ import annotations

from typing import Any

import asyncpg
import pytest

from nova_feed.clock import SystemClock
from nova_feed.workers.canary import Canary

pytestmark = pytest.mark.integration
NOBODY: Any = None  # these questions go to PostgreSQL alone


async def test_an_app_whose_only_users_are_the_canary_s_has_none_of_its_own(postgres_dsn: str) -> None:
    async with asyncpg.create_pool(postgres_dsn, min_size=0, max_size=2) as pool:
        canary = Canary(pool, NOBODY, NOBODY, NOBODY, NOBODY, SystemClock())
        assert not await canary._somebody()
        people = await canary._people()
        assert await canary._people() == people
        assert not await canary._somebody()
        await pool.execute("INSERT INTO users (username) VALUES ('somebody')")
        assert await canary._somebody()
