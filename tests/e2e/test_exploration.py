"""A viewer of whom nothing is known: what trends, a few new posts of new authors by lot, and all of it said."""

from __future__ import annotations

import pytest

from nova_feed.ranking.exploration import EVERY
from tests.app import App
from tests.reader import Json, ReaderOf
from tests.waiting import eventually

pytestmark = pytest.mark.e2e


async def test_a_newcomer_is_shown_what_trends_and_new_authors_in_a_declared_share(app: App, reader: ReaderOf) -> None:
    for _ in range(5):
        await app.post(await app.person())

    async def tried() -> list[Json]:
        newcomer = reader(await app.person())
        page = await newcomer.page(limit=100)
        assert page["cold_start"]
        shown = await newcomer.posts()
        assert {"trending", "exploration"} >= {source for post in shown for source in post["sources"]}
        return shown if any(post["propensity"] for post in shown) else []

    shown = await eventually(tried, 20)
    drawn = [post for post in shown if post["propensity"]]
    assert all(post["sources"] == ["exploration"] and 0 < post["propensity"] <= 1 for post in drawn)
    assert len({post["propensity"] for post in drawn}) == 1
    assert len(drawn) <= len(shown) / EVERY + 1


async def test_whoever_follows_somebody_is_no_newcomer(reader: ReaderOf) -> None:
    page = await reader(1).page(limit=100)
    assert not page["cold_start"]
    assert not any(post["propensity"] for post in page["posts"])
