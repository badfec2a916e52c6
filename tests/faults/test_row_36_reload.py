"""Row 36: a thousand changes at run time under load, among them bad, half-written and hostile ones."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests.e2e.admin import SOON_S, Operator
from tests.faults.bench import Bench
from tests.faults.load import Load
from tests.faults.reload import APART, Readers
from tests.waiting import eventually

pytestmark = pytest.mark.faults
HOSTILE = (
    "", "{", "null", "[" * 9_999, "a: &a [*a, *a]", '{"config": {"weight_freshness": NaN}}', '{"flags": {"x": true}}',
    '{"config": {"weight_freshness": 9, "feed_ttl_s": -1}}', '{"config": {"weight_freshness": 9}, "config": {}}',
    '{"config": {"weight_freshness": 9, "weight_affinity": 10}',
)  # fmt: skip


class Writer:
    """Makes changes in every way there is. ``made``: when, and the weight; in order."""

    def __init__(self, bench: Bench, operator: Operator) -> None:
        self._bench, self._operator, self._path = bench, operator, bench.stack.runtime_file
        self.made: list[tuple[float, float]] = []
        self.refused = 0

    async def change(self, number: int) -> None:
        """One change: by the file now and then, else by HTTP; before some of them one that must be refused."""
        weights = {"weight_freshness": 1 + number / 10_000, "weight_affinity": 1 + APART + number / 10_000}
        if number % 4 == 0:
            await self._spoil(number)
        if number % 25 == 0:
            await self._by_file(weights)
        else:
            at = time.monotonic()
            await self._operator.config(**weights)
            self.made.append((at, weights["weight_freshness"]))

    async def _by_file(self, weights: dict[str, float]) -> None:
        at = time.monotonic()
        text = json.dumps({"config": weights})
        await _write(self._path, text[: len(text) // 2])  # as a writer does who is not careful
        await _write(self._path, text)

        async def is_taken() -> bool:
            now = await self._operator.get("/admin/config")
            return bool(now["config"]["weight_freshness"] == weights["weight_freshness"])

        await eventually(is_taken, 10)
        self.made.append((at, weights["weight_freshness"]))

    async def _spoil(self, number: int) -> None:
        """What must change nothing: a bad file, a bad row, a bad request."""
        bad = HOSTILE[number // 4 % len(HOSTILE)]
        await _write(self._path, bad)
        if number % 8:
            now = await self._operator.get("/admin/config")
            answer = await self._operator.ask(
                "PUT", "/admin/config", now["config"] | {"weight_freshness": -1}, **{"If-Match": f'"{now["version"]}"'}
            )
            assert answer.status_code == 400, answer.text
        else:
            async with self._bench.connection() as connection:
                await connection.execute(
                    "INSERT INTO nova_runtime (version, document, made_by)"
                    ' SELECT max(version) + 1, \'{"config": {"weight_freshness": "9"}}\', \'a hand\' FROM nova_runtime'
                )
        self.refused += 1


async def test_changes_under_load_hold_within_a_second_and_no_request_fails(bench: Bench) -> None:
    async with bench.row(36, "1,000 changes at run time, hostile ones too") as line:
        async with bench.flowing(line) as load, httpx.AsyncClient(base_url=bench.stack.facts["admin_url"]) as http:
            operator = Operator(http, bench.stack)
            writer = Writer(bench, operator)
            await writer.change(1)
            await operator.settled()
            try:
                async with Readers(bench.stack) as readers:
                    for number in range(2, int(bench.of(150, 1_000)) + 1):
                        await writer.change(number)
                    await asyncio.sleep(SOON_S)  # the promise itself, of the last one
            finally:
                await operator.back_to_settings()
                await asyncio.to_thread(bench.stack.runtime_file.unlink, missing_ok=True)
        late = readers.late_s(writer.made)
        line.add(f"{len(writer.made):,} changes held after P50 {np.percentile(late, 50):.2f} s, P99"
                 f" {np.percentile(late, 99):.2f} s, slowest {max(late):.2f} s")  # fmt: skip
        line.add(f"{writer.refused} bad ones between them changed nothing")
        line.add(readers.told())
        await _judge(bench, line_load=load)
        assert readers.statuses.keys() == {200}, readers.statuses
        assert all(one.whole for one in readers.seen), [one for one in readers.seen if not one.whole][:3]
        assert {one.freshness for one in readers.seen} <= {weight for _, weight in writer.made} | {None}
        assert np.percentile(late, 99) <= SOON_S


async def _judge(bench: Bench, *, line_load: Load) -> None:
    """No event failed meanwhile."""
    assert not line_load.bad(), line_load.cuts()
    await bench.ledger_adds_up()


async def _write(path: Path, text: str) -> None:
    await asyncio.to_thread(path.write_text, text)
