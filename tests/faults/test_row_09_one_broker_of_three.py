"""Row 9, with three brokers: kill -9 of the one that leads the controllers, under load, and it stays away a while."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

import pytest

from nova_feed.store.client import Store
from nova_feed.stream.lag import LagReader
from nova_feed.workers.levels import GROUPS
from tests.faults import visible
from tests.faults.bench import Bench, hold, or_none
from tests.faults.load import Load
from tests.faults.nemesis import kill, runs
from tests.faults.report import Report
from tests.stack import LocalStack
from tests.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]  # two stacks are started, one of them of three brokers
RATE = 1_150  # events a second: with a copy at each broker, 1,500 are all that two slow processors can do
FLOWS_S = 60.0
WHOLE_S = 60.0


@pytest.fixture
async def three(stack: LocalStack, fault_report: Report, pytestconfig: pytest.Config) -> AsyncIterator[Bench]:
    """A stack of three brokers under test; the shared one makes room for it."""
    stack.nova("down")
    own = LocalStack.in_new_home()
    try:
        own.up("--brokers", "3")
        store = Store(own.facts["clickhouse_url"], timeout_s=20, name="nova faults")
        yield Bench(own, store, fault_report, full=pytestconfig.getoption("faults") == "full")
        await store.close()
    finally:
        own.remove()
        stack.up()


async def test_while_one_broker_of_three_is_away_events_go_on_to_clickhouse(three: Bench) -> None:
    reader = LagReader(three.stack.facts["kafka_brokers"])
    await _lag_is_known(reader)
    async with three.row(9, "kill -9 of one broker of three, then away") as line:
        async with three.flowing(line, RATE) as load, three.watch() as watch:
            name = await eventually(lambda: _leader(three.stack), FLOWS_S)
            restarts = three.stack.facts["restarts"][name]
            with watch.fault(), three.nobody_restarts():
                at, killed = time.monotonic(), kill(three.pid(name))
                await hold(1)
                await _all_arrives(three, load)
                line.add(f"all flows again {time.monotonic() - at:.1f} s after the kill, with {name} away")
                before = load.accepted
                await hold(three.of(8, 60))
                await _all_arrives(three, load)
                await _lag_is_known(reader)  # by a client that knew the broker that is gone as a coordinator
                line.add(f"then {load.accepted - before:,} events accepted before it was back")
                assert await asyncio.to_thread(three.stack.copies) == {2}
                assert not runs(killed)
            at = time.monotonic()
            await three.normal(line, at)
            await eventually(lambda: _is_whole(three), WHOLE_S)
            line.add(f"three copies of everything after {time.monotonic() - at:.1f} s")
        assert three.stack.facts["restarts"][name] == restarts + 1
        await three.judge(line, load)
        # Where processors are short an answer may take longer than its deadline: 503 then, and the retry was accepted.
        assert {answer.status for answer in load.bad()} <= {503}, load.cuts()
        assert len(load.bad()) <= 0.01 * len(load.answers)
        three.served(line, watch, "clickhouse", within_s=3)


async def _leader(stack: LocalStack) -> str | None:
    """The broker that leads the controllers, as they remember it; None between two of them. (Asked as a client, KRaft
    names any broker.)"""
    votes = [
        json.loads((stack.home / name / "data" / "__cluster_metadata-0" / "quorum-state").read_text())
        for name in stack.facts["brokers"]
    ]
    leader = max(votes, key=lambda vote: vote["leaderEpoch"])["leaderId"]
    return None if leader < 1 else list(stack.facts["brokers"])[leader - 1]


async def _all_arrives(bench: Bench, load: Load) -> None:
    """Wait until every event that was accepted up to now is in ClickHouse."""
    told = load.history.must

    async def are_there() -> bool:
        return told <= await visible.names_of(bench.store, load.world.post_ids)

    await eventually(are_there, FLOWS_S)


async def _lag_is_known(reader: LagReader) -> None:
    """How far every group is behind is told."""

    async def is_told() -> bool:
        return all([await or_none(asyncio.to_thread(reader.positions, group, 1)) for group in GROUPS])

    await eventually(is_told, FLOWS_S)


async def _is_whole(bench: Bench) -> bool:
    return await asyncio.to_thread(bench.stack.copies) == {3}
