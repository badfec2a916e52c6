"""A change is one row, on top of the version it was made from, or it is none."""

from __future__ import annotations

import asyncio

import pytest

from nova_feed.errors import InvalidInputError, StaleVersionError, StoreUnavailableError
from nova_feed.runtime import Live, Runtime
from nova_feed.runtime.change import Changes
from tests.runtimes import TableInMemory

DEFAULTS = Runtime(weight_freshness=0.5)


@pytest.fixture
def table() -> TableInMemory:
    return TableInMemory()


@pytest.fixture
def changes(table: TableInMemory) -> Changes:
    return Changes(table, Live(DEFAULTS))


async def test_a_change_is_kept_with_who_and_why_and_says_everything(changes: Changes, table: TableInMemory) -> None:
    now = await changes.flags({"enable_caching": False}, "user 7", "an incident")
    [row] = table.rows
    assert (now.version, row.version, row.made_by, row.note) == (1, 1, "user 7", "an incident")
    assert await changes.newest() == now
    assert (now.enable_caching, now.weight_freshness) == (False, 0.5)


async def test_what_changes_nothing_adds_nothing(changes: Changes, table: TableInMemory) -> None:
    await changes.flags({"enable_caching": True}, "user 7", "")
    await changes.config(DEFAULTS.config, "user 7", "")
    assert table.rows == []


@pytest.mark.parametrize("wrong", [{"enable_caching": 1}, {"x": True}, {}])
async def test_what_is_not_valid_changes_nothing(
    changes: Changes, table: TableInMemory, wrong: dict[str, object]
) -> None:
    with pytest.raises(InvalidInputError):
        await changes.flags(wrong, "user 7", "")
    assert table.rows == []


async def test_of_two_who_change_the_same_version_one_is_told_so(changes: Changes, table: TableInMemory) -> None:
    await changes.flags({"enable_caching": False}, "user 7", "", expected=0)
    with pytest.raises(StaleVersionError, match="the newest version is 1"):
        await changes.config(DEFAULTS.config | {"feed_ttl_s": 9}, "user 8", "", expected=0)
    assert len(table.rows) == 1


async def test_changes_of_no_certain_version_go_on_top_of_each_other_and_none_is_lost(
    changes: Changes, table: TableInMemory
) -> None:
    names = ("enable_caching", "enable_fallback", "use_ch_ranking")
    await asyncio.gather(*(changes.flags({name: False}, "user 7", "") for name in names))
    assert (await changes.newest()).flags == dict.fromkeys(names, False)
    assert len(table.rows) == 3


async def test_coming_back_is_a_new_version_that_says_what_the_old_one_said(
    changes: Changes, table: TableInMemory
) -> None:
    await changes.flags({"enable_caching": False}, "user 7", "")
    first = await changes.newest()
    await changes.config(DEFAULTS.config | {"feed_ttl_s": 9}, "user 7", "")
    back = await changes.rollback(1, "user 8", "")
    assert back is not None
    assert (back.version, back.document) == (3, first.document)
    assert (await changes.rollback(0, "user 8", "")) == Runtime(version=4, weight_freshness=0.5)
    assert await changes.rollback(99, "user 8", "") is None


async def test_nobody_comes_back_to_a_version_that_is_not_valid(changes: Changes, table: TableInMemory) -> None:
    table.write('{"flags": {"enable_caching": "no"}}')
    await changes.flags({"enable_fallback": False}, "user 7", "")
    with pytest.raises(InvalidInputError):
        await changes.rollback(1, "user 7", "")


async def test_a_change_on_top_of_a_version_that_is_not_valid_is_one_of_what_holds(
    changes: Changes, table: TableInMemory
) -> None:
    table.write('{"flags": {"enable_caching": "no"}}')
    now = await changes.flags({"enable_caching": True}, "user 7", "")
    assert now == Runtime(version=2, weight_freshness=0.5)
    assert len(table.rows) == 2


async def test_while_the_table_is_away_nothing_is_changed_and_it_is_said(
    changes: Changes, table: TableInMemory
) -> None:
    table.away = True
    with pytest.raises(StoreUnavailableError):
        await changes.flags({"enable_caching": False}, "user 7", "")
