"""A cursor reads one frozen list to its end."""

from __future__ import annotations

import pytest

from nova_feed.ranking import Saturation, lawful
from tests.app import App
from tests.reader import ReaderOf

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize("algo", ["ch", "timeline"])
async def test_every_page_keeps_the_saturation_rule_after_what_was_shown_before(reader: ReaderOf, algo: str) -> None:
    shown: list[int] = []
    async for page in reader(3).pages(limit=7, algo=algo):
        authors = [post["author_id"] for post in page["posts"]]
        assert lawful(authors, Saturation(), history=shown, start=len(shown))
        shown += authors
    assert len(shown) > 100


async def test_pages_are_cut_from_one_list_whatever_is_ranked_meanwhile(reader: ReaderOf, app: App) -> None:
    viewer = reader(6)
    first = await viewer.page(limit=20)
    second = await viewer.page(limit=20, cursor=first["cursor"])
    await app.post((await app.followees(6))[0])
    await viewer.page(algo="timeline")
    again = await viewer.page(limit=20, cursor=first["cursor"])
    assert again["as_of"] == first["as_of"]
    assert [post["post_id"] for post in again["posts"]] == [post["post_id"] for post in second["posts"]]


async def test_a_timeline_without_the_saturation_rule_would_be_newest_first(reader: ReaderOf) -> None:
    posts = await reader(1).posts(algo="timeline", explain=True)
    posts.sort(key=lambda post: post["explanation"]["rank_before"])
    times = [post["created_at"] for post in posts]
    assert times == sorted(times, reverse=True)
