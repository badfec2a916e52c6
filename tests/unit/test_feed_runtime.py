"""What the flags and the configuration do to a feed, from the next request on."""

from __future__ import annotations

import json

import pytest

from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.breaker import CLOSED
from nova_feed.feed.kept import kept_feed
from nova_feed.feed.service import SWITCHED_OFF
from nova_feed.ranking import lawful
from tests.unit.test_feed_service import World, author_of, posts_of

TEN_MINUTES_S = 600


@pytest.fixture
def world() -> World:
    return World()


def change(world: World, *, flags: dict[str, bool] | None = None, config: dict[str, float] | None = None) -> None:
    """A new version."""
    document = {"flags": world.live.now.flags | (flags or {}), "config": world.live.now.config | (config or {})}
    assert world.live.offer(world.live.now.version + 1, json.dumps(document))


async def test_without_caching_every_first_page_is_ranked_anew_and_cursors_go_on(world: World) -> None:
    first = await world.page()
    change(world, flags={"enable_caching": False})
    pages = [await world.page(), await world.page()]
    assert [page.cache_hit for page in pages] == [False, False]
    assert len({page.frozen.list_id for page in (first, *pages)}) == 3
    assert (await world.page(cursor=first.cursor)).frozen.list_id == first.frozen.list_id
    change(world, flags={"enable_caching": True})
    assert (await world.page()).cache_hit


async def test_without_ranking_a_timeline_answers_says_why_and_nothing_counts_as_failure(world: World) -> None:
    ranked = await world.page(limit=2)
    change(world, flags={"use_ch_ranking": False})
    world.clickhouse.away = True
    for _ in range(5):
        page = await world.page(limit=2)
        assert (page.frozen.source, page.fallback, page.reason) == ("timeline", False, SWITCHED_OFF)
    await world.service.warm(7)
    assert (len(world.clickhouse.batches), world.service.clickhouse.state) == (1, CLOSED)
    assert (await world.page(cursor=page.cursor)).reason == SWITCHED_OFF
    assert (await world.page(cursor=ranked.cursor)).frozen.source == "ranked"
    world.clickhouse.away = False
    change(world, flags={"use_ch_ranking": True})
    assert (await world.page()).frozen.source == "ranked"


async def test_a_timeline_that_was_asked_for_says_nothing_of_a_switch(world: World) -> None:
    change(world, flags={"use_ch_ranking": False})
    assert (await world.page(algo="timeline")).reason == ""


async def test_without_fallback_a_feed_is_refused_while_clickhouse_is_away(world: World) -> None:
    cached = await world.page(8)
    change(world, flags={"enable_fallback": False})
    world.clickhouse.away = True
    with pytest.raises(StoreUnavailableError, match="clickhouse"):
        await world.page()
    assert (await world.page(8)).frozen.list_id == cached.frozen.list_id
    assert (await world.page(algo="timeline")).frozen.source == "timeline"
    change(world, flags={"enable_fallback": True})
    assert (await world.page()).fallback


async def test_other_weights_hold_for_the_next_first_page_and_old_cursors_keep_theirs(world: World) -> None:
    first = await world.page()
    change(world, config={"weight_freshness": 2.0})
    page = await world.page()
    assert (page.cache_hit, page.frozen.weights.freshness) == (False, 2.0)
    assert float(page.frozen.scores.total[0]) > float(first.frozen.scores.total[0])
    later = await world.page(cursor=first.cursor)
    assert (later.frozen.weights.freshness, later.frozen.list_id) == (0.3, first.frozen.list_id)
    assert (await world.page()).cache_hit


async def test_a_change_that_does_not_concern_the_ranking_leaves_cached_lists_in_use(world: World) -> None:
    first = await world.page()
    change(world, flags={"enable_fallback": False}, config={"feed_ttl_s": 60})
    assert (await world.page()).frozen.list_id == first.frozen.list_id


async def test_weights_that_come_back_bring_lists_ranked_with_them_back(world: World) -> None:
    first = await world.page()
    change(world, config={"weight_freshness": 2.0})
    change(world, config={"weight_freshness": 0.3})
    assert (await world.page()).frozen.list_id == first.frozen.list_id


@pytest.mark.parametrize(("distance", "in_top"), [(1, 5), (5, 1), (2, 2)])
async def test_the_author_rule_of_the_moment_holds_in_the_next_list(world: World, distance: int, in_top: int) -> None:
    await world.page()
    change(world, config={"author_distance": distance, "author_max_in_top": in_top})
    page = await world.page(limit=60)
    assert not page.cache_hit
    assert lawful([author_of(post) for post in posts_of(page)], world.live.now.saturation)


async def test_the_age_at_which_a_list_is_ranked_anew_can_be_changed(world: World) -> None:
    await world.page()
    change(world, config={"soft_age_ms": TEN_MINUTES_S * 1000, "young_age_ms": TEN_MINUTES_S * 1000})
    world.clock.pass_s(TEN_MINUTES_S)
    await world.page()
    await world.refreshed()
    assert len(world.clickhouse.batches) == 1
    world.clock.pass_s(0.001)
    await world.page()
    await world.refreshed()
    assert len(world.clickhouse.batches) == 2


async def test_what_is_cached_is_shown_with_whether_it_answers(world: World) -> None:
    nothing = await kept_feed(world.lists, 7, world.live.now)
    assert (nothing.first, nothing.answers, nothing.lists) == (None, False, ())
    page = await world.page()
    found = await kept_feed(world.lists, 7, world.live.now)
    [one] = found.lists
    assert (found.answers, found.because, one.list_id, one.rows) == (True, "", page.frozen.list_id, len(page.frozen))
    assert [post for post, _, _ in one.top] == page.frozen.candidates.post_id[:5].tolist()
    assert [author for _, author, _ in one.top] == [author_of(post) for post, _, _ in one.top]
    assert one.top[0][2] == float(page.frozen.scores.total[0])


@pytest.mark.parametrize(
    ("flags", "config", "because"),
    [
        ({"enable_caching": False}, {}, "enable_caching is off"),
        ({"use_ch_ranking": False}, {}, SWITCHED_OFF),
        ({}, {"weight_affinity": 5.0}, "other weights"),
    ],
)
async def test_a_list_that_does_not_answer_is_shown_with_the_reason(
    world: World, flags: dict[str, bool], config: dict[str, float], because: str
) -> None:
    await world.page()
    change(world, flags=flags, config=config)
    found = await kept_feed(world.lists, 7, world.live.now)
    assert not found.answers
    assert because in found.because
    assert not (await world.page()).cache_hit


async def test_a_cached_list_that_cannot_be_read_is_left_out_and_does_not_answer(world: World) -> None:
    await world.page()
    world.lists.bodies = dict.fromkeys(world.lists.bodies, b"the list of another version")
    found = await kept_feed(world.lists, 7, world.live.now)
    assert (found.lists, found.answers) == ((), False)
