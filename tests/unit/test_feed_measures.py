"""What two stores say of one post is compared name by name, with PostgreSQL as the truth."""

from __future__ import annotations

from nova_feed.feed.measures import Measures

TRUTH = {"author_id": 7, "created_ms": 5, "likes": 3, "comments": 1}
RANKED = TRUTH | {"shares": 9, "exposures": 100}


def test_places_that_agree_differ_in_nothing_though_the_ranker_knows_more() -> None:
    assert Measures({"posts": TRUTH, "hot_posts": RANKED, "author_posts": RANKED}, {}).differ == []


def test_what_a_place_says_otherwise_is_named_with_the_place() -> None:
    late = RANKED | {"likes": 2, "comments": 0}
    found = Measures({"posts": TRUTH, "hot_posts": late, "author_posts": RANKED}, {})
    assert found.differ == ["hot_posts.likes", "hot_posts.comments"]


def test_without_the_truth_nothing_is_said_to_differ() -> None:
    assert Measures({"hot_posts": RANKED}, {"postgres": "away"}).differ == []
    assert Measures({}, {}).differ == []
