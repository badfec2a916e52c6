"""Row 20: the same request a hundred times at once."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter

import httpx
import numpy as np
import pytest

from tests.faults import visible
from tests.faults.bench import SERVICE, Bench
from tests.faults.checker import Sent
from tests.faults.load import post_again
from tests.stack import bearer

pytestmark = pytest.mark.faults
TIMES, ITEMS = 100, 20


async def test_the_same_request_a_hundred_times_at_once_is_a_hundred_202_and_one_row_an_item(bench: Bench) -> None:
    async with bench.row(20, "the same request 100 times at once") as line, bench.flowing(line) as load:
        post, author = load.world.posts[0]
        events = [Sent(str(uuid.uuid4()), post, author, SERVICE, "share") for _ in range(ITEMS)]
        body = {"events": [{"event_id": e.event_id, "post_id": post, "action": e.action} for e in events]}
        limits = httpx.Limits(max_connections=TIMES)
        url, headers = bench.stack.facts["api_url"], bearer(bench.stack, SERVICE)
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=20, limits=limits) as http:

            async def once() -> tuple[httpx.Response, float]:
                began = time.monotonic()
                return await post_again(http, body), time.monotonic() - began

            answers = await asyncio.gather(*(once() for _ in range(TIMES)))
        line.add(f"P99 {np.percentile([seconds for _, seconds in answers], 99) * 1000:.0f} ms")
        for event in events:
            load.history.sent(event)
        for answer, _ in answers:
            assert answer.status_code == 202, answer.text
            for event, result in zip(events, answer.json()["results"], strict=True):
                load.history.told(event.event_id, result["status"])
        statuses = Counter(r["status"] for answer, _ in answers for r in answer.json()["results"])
        assert statuses == {"accepted": ITEMS, "duplicate": ITEMS * (TIMES - 1)}
        await bench.judge(line, load)
        assert await visible.count_of(bench.store, [post]) >= ITEMS
