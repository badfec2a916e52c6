"""Every metric that is documented is there on a scrape of the running stack."""

from __future__ import annotations

import contextlib

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from nova_feed.ops.metrics import TABLE
from tests.app import App
from tests.reader import ReaderOf
from tests.stack import LocalStack
from tests.waiting import eventually

pytestmark = pytest.mark.e2e
FORBIDDEN = {"user", "user_id", "viewer", "viewer_id", "post", "post_id", "author_id", "request_id", "address", "ip"}


async def scrape(stack: LocalStack) -> dict[str, list[dict[str, str]]]:
    """Sample name -> the labels of its samples, over both listeners."""
    found: dict[str, list[dict[str, str]]] = {}
    async with httpx.AsyncClient(timeout=5) as http:
        for url in (stack.facts["api_url"], stack.facts["admin_url"]):
            text = (await http.get(f"{url}/metrics")).raise_for_status().text
            for family in text_string_to_metric_families(text):
                for sample in family.samples:
                    found.setdefault(sample.name, []).append(sample.labels)
    return found


async def test_every_documented_metric_is_on_a_scrape_with_the_labels_it_is_said_to_have(
    stack: LocalStack, app: App, reader: ReaderOf
) -> None:
    viewer = reader(await app.person())
    page = await viewer.page(limit=2)
    await viewer.page(limit=2, cursor=page["cursor"])
    await viewer.send({"post_id": page["posts"][0]["post_id"], "action": "impression"})
    await viewer.trending()
    await viewer.suggested()

    missing: list[str] = []

    async def complete() -> bool:
        there = await scrape(stack)
        missing[:] = [told.name for told in TABLE if told.name not in there and f"{told.name}_count" not in there]
        return not missing

    with contextlib.suppress(AssertionError):
        await eventually(complete, 60)
    assert missing == []
    there = await scrape(stack)
    for told in TABLE:
        for labels in there.get(told.name) or there[f"{told.name}_count"]:
            assert set(labels) - {"pid"} == set(told.labels) - {"pid"}, told.name


async def test_no_metric_has_a_label_that_grows_with_the_users(stack: LocalStack, reader: ReaderOf) -> None:
    await reader(1).page(limit=2)
    there = await scrape(stack)
    assert not {name: labels for name, found in there.items() for labels in found if FORBIDDEN & set(labels)}
    ours = {name: len(found) for name, found in there.items() if name.startswith("nova_feed_") and "bucket" not in name}
    assert max(ours.values()) < 300, ours
