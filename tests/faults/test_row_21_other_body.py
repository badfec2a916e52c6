"""Row 21: an event_id that comes again with another body."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.faults.bench import SERVICE, Bench
from tests.faults.checker import Sent
from tests.faults.load import post_again
from tests.stack import bearer

pytestmark = pytest.mark.faults


async def test_an_event_that_comes_again_with_another_body_is_a_conflict_and_overwrites_nothing(bench: Bench) -> None:
    async with bench.row(21, "the same event_id with another body") as line, bench.flowing(line) as load:
        (post, author), (other, _) = load.world.posts[:2]
        event = Sent(str(uuid.uuid4()), post, author, SERVICE, "view")
        load.history.sent(event)
        wire: dict[str, Any] = {"event_id": event.event_id, "post_id": post, "action": "view"}
        load.history.told(event.event_id, await _status(bench, wire))
        changes = {"action": "share"}, {"post_id": other}, {"dwell_ms": 5}, {"device": "web"}, {"user_id": 77}
        told = [await _status(bench, wire | change) for change in changes]
        load.history.told(event.event_id, await _status(bench, wire))
        line.add(f"{told.count('conflict')} of {len(told)} changed bodies told as conflict")
        await bench.judge(line, load)
        assert set(told) == {"conflict"}, told
        assert load.history.count("duplicate") == 1


async def _status(bench: Bench, event: dict[str, Any]) -> Any:
    async with bench.client() as http:
        answer = await post_again(http, {"events": [event]}, bearer(bench.stack, SERVICE, "service"))
    assert answer.status_code == 202, answer.text
    [result] = answer.json()["results"]
    return result["status"]
