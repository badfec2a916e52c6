"""The counters are rebuilt when something came to the tables they are made from, and when that is not known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nova_feed.errors import StoreUnavailableError
from nova_feed.store.client import Store
from nova_feed.store.native import Columns
from nova_feed.workers.invalidation import Invalidation
from tests.caches import BuildsInMemory, ListsInMemory
from tests.unit.test_clock import VirtualClock


class ClickHouse(Store):
    """Says what the tables are made of, and counts rebuilds. Without posts."""

    def __init__(self) -> None:
        self.state, self.away, self.rebuilt = 1, False, 0

    async def select(self, query: str, **parameters: Any) -> Columns:
        if self.away:
            raise StoreUnavailableError("clickhouse", "no connection")
        names = {"hot_inputs": ("state",), "new_posts": ("post_id", "author_id")}[query]
        values = [self.state] if query == "hot_inputs" else []
        return Columns({name: np.array(values, dtype=np.int64) for name in names})

    async def command(self, sql: str) -> None:
        if self.away:
            raise StoreUnavailableError("clickhouse", "no connection")
        self.rebuilt += sql.startswith("SYSTEM REFRESH VIEW hot_posts")


async def test_counters_are_rebuilt_once_for_what_came() -> None:
    store = ClickHouse()
    job = Invalidation(store, ListsInMemory(), BuildsInMemory(), VirtualClock())
    for state in (1, 1, 2, 2, 2, 1):
        store.state = state
        await job.renew()
    assert store.rebuilt == 3


async def test_what_was_not_rebuilt_is_tried_again() -> None:
    store = ClickHouse()
    job = Invalidation(store, ListsInMemory(), BuildsInMemory(), VirtualClock())
    store.away = True
    with pytest.raises(StoreUnavailableError):
        await job.renew()
    store.away = False
    await job.renew()
    await job.renew()
    assert store.rebuilt == 1
