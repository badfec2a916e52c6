"""Tables that are rebuilt: only when something came, and again after ClickHouse has stopped one by itself."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from functools import partial

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError

from nova_feed.store.client import Store
from nova_feed.workers.tables import start_stopped
from tests.stack import LocalStack
from tests.waiting import eventually

pytestmark = pytest.mark.integration
_VIEW = "CREATE MATERIALIZED VIEW {name} REFRESH EVERY 1 HOUR ENGINE = MergeTree ORDER BY n EMPTY AS {query}"
_STATE = """
SELECT CAST(status AS String) AS status FROM system.view_refreshes
WHERE database = currentDatabase() AND view = {view:String}
"""


@pytest.fixture
async def store(stack: LocalStack) -> AsyncIterator[Store]:
    """In a database of its own."""
    name = f"tables_{uuid.uuid4().hex[:12]}"
    found = Store(f"{stack.facts['clickhouse_url'].rpartition('/')[0]}/{name}")
    try:
        yield found
        await found.command(f"DROP DATABASE {name}")
    finally:
        await found.close()


async def is_state(store: Store, view: str, state: str) -> bool:
    return [str(one) for one in (await store.sql(_STATE, view=view))["status"]] == [state]


async def test_a_view_that_failed_and_was_stopped_is_started_and_one_that_was_stopped_on_purpose_is_not(
    store: Store,
) -> None:
    await store.command(_VIEW.format(name="meant", query="SELECT 1 AS n"))
    await store.command(_VIEW.format(name="failed", query="SELECT throwIf(1, 'no room') AS n"))
    await store.command("SYSTEM REFRESH VIEW failed")
    with pytest.raises(ClickHouseError, match="no room"):
        await store.command("SYSTEM WAIT VIEW failed")
    for view in ("meant", "failed"):
        await store.command(f"SYSTEM STOP VIEW {view}")
        await eventually(partial(is_state, store, view, "Disabled"), 10)
    assert await start_stopped(store) == ["failed"]
    await eventually(partial(is_state, store, "failed", "Scheduled"), 10)
    assert await start_stopped(store) == []
    assert await is_state(store, "meant", "Disabled")
