"""Whoever holds an explanation can recompute the score that was served, on every page and of every list."""

from __future__ import annotations

from itertools import permutations

import pytest

from nova_feed.ranking import score_from_payload
from tests.reader import ReaderOf

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(("viewer_id", "algo"), [(5, "ch"), (500, "ch"), (5, "timeline")])
async def test_every_score_of_a_whole_list_follows_from_its_own_explanation(
    reader: ReaderOf, viewer_id: int, algo: str
) -> None:
    posts = await reader(viewer_id).posts(explain=True, algo=algo)
    assert len(posts) > 100
    for post in posts:
        explanation = post["explanation"]
        assert explanation["inputs"]["post_id"] == post["post_id"]
        assert score_from_payload(explanation) == post["score"]
        assert {a + b + c for a, b, c in permutations(explanation["terms"].values())} == {post["score"]}
