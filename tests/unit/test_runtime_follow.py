"""Every process comes to hold what the table says, and keeps what it has while nobody answers."""

from __future__ import annotations

import asyncio
import json

import pytest

from nova_feed.runtime import Live, Runtime
from nova_feed.runtime.follow import Follower
from tests.runtimes import TableInMemory
from tests.waiting import eventually

OFF = json.dumps({"flags": {"enable_caching": False}})


@pytest.fixture
def table() -> TableInMemory:
    return TableInMemory()


@pytest.fixture
def live() -> Live:
    return Live(Runtime())


@pytest.fixture
def follower(table: TableInMemory, live: Live) -> Follower:
    return Follower(table, live)


async def test_the_newest_version_holds_after_one_look(table: TableInMemory, live: Live, follower: Follower) -> None:
    for text in (OFF, json.dumps({"config": {"feed_ttl_s": 7}})):
        table.write(text)
    await follower.step()
    assert (live.now.version, live.now.feed_ttl_s, live.now.enable_caching) == (2, 7, True)


async def test_while_the_table_is_away_the_last_known_version_stays(
    table: TableInMemory, live: Live, follower: Follower
) -> None:
    table.write(OFF)
    await follower.step()
    held, table.away = live.now, True
    for _ in range(3):
        await follower.step()
    assert live.now is held
    table.away = False
    table.write("{}")
    await follower.step()
    assert live.now.version == 2


async def test_a_process_that_starts_while_the_table_is_away_has_what_the_settings_say(
    table: TableInMemory, live: Live, follower: Follower
) -> None:
    table.away = True
    await follower.first()
    assert live.now == Runtime()


async def test_a_table_that_hangs_keeps_no_process_from_starting(live: Live) -> None:
    class Hanging(TableInMemory):
        async def history(self, limit: int) -> list[object]:  # type: ignore[override]
            return await asyncio.Future()

    await Follower(Hanging(), live).first()
    assert live.now == Runtime()


async def test_a_version_that_somebody_typed_wrong_is_passed_over_until_a_good_one_follows(
    table: TableInMemory, live: Live, follower: Follower
) -> None:
    table.write(OFF)
    await follower.step()
    table.write('{"flags": {"enable_caching": 3}}')
    await follower.step()
    assert (live.now.version, bool(live.refused)) == (1, True)
    table.write("{}")
    await follower.step()
    assert (live.now.version, live.refused) == (3, "")


async def test_a_table_that_was_emptied_means_the_settings(
    table: TableInMemory, live: Live, follower: Follower
) -> None:
    table.write(OFF)
    await follower.step()
    table.rows.clear()
    await follower.step()
    assert live.now == Runtime()


async def test_a_follower_goes_on_until_it_is_cancelled(table: TableInMemory, live: Live, follower: Follower) -> None:
    following = asyncio.create_task(follower.run())

    async def asked() -> int:
        return table.asked

    await eventually(asked, 5)
    following.cancel()
    with pytest.raises(asyncio.CancelledError):
        await following
