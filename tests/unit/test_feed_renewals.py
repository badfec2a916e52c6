"""Lists ranked anew behind answers: which, when, and how many."""

from __future__ import annotations

import pytest

from nova_feed.feed.service import BUSY_COST, QUIET_PER_S, SOFT_AT_ONCE, SOFT_PER_S, YOUNG_REST
from tests.unit.test_feed_service import SOFT_AGE_MS, YOUNG_AGE_MS, World


@pytest.fixture
def world() -> World:
    return World()


async def test_a_list_past_its_soft_age_answers_once_more_and_is_ranked_anew_once_behind_the_answer(
    world: World,
) -> None:
    first = await world.page()
    world.clock.pass_s(SOFT_AGE_MS / 1000 + 0.001)
    world.clickhouse.open.clear()
    old = [await world.page() for _ in range(5)]
    assert {page.frozen.list_id for page in old} == {first.frozen.list_id}
    world.clickhouse.open.set()
    await world.refreshed()
    new = await world.page()
    assert (new.cache_hit, new.frozen.as_of_ms) == (True, world.clock.now_ms())
    assert len(world.clickhouse.batches) == 2


@pytest.mark.parametrize(("age_ms", "asked"), [(YOUNG_AGE_MS, 1), (YOUNG_AGE_MS + 1, 2)])
async def test_while_there_is_time_a_list_is_ranked_anew_sooner(world: World, age_ms: int, asked: int) -> None:
    await world.page()
    world.clock.pass_s(age_ms / 1000)
    await world.page()
    await world.refreshed()
    assert len(world.clickhouse.batches) == asked


async def test_young_lists_are_ranked_anew_one_at_a_time_and_after_a_rest(
    world: World,
) -> None:
    for viewer in (1, 2, 3):
        await world.page(viewer)
    world.clock.ms += YOUNG_AGE_MS + 1
    world.clickhouse.open.clear()
    await world.page(1)
    await world.clickhouse.was_asked(4)
    world.clock.pass_s(0.1)
    await world.page(2)  # another one is being ranked
    world.clickhouse.open.set()
    await world.refreshed()
    world.clock.pass_s(0.1 * YOUNG_REST - 0.1)
    await world.page(2)  # the rest is not over
    await world.refreshed()
    assert sum(map(len, world.clickhouse.batches)) == 4
    world.clock.pass_s(0.2)
    await world.page(2)
    await world.refreshed()
    assert sum(map(len, world.clickhouse.batches)) == 5


async def test_young_lists_are_not_ranked_anew_where_many_pages_are_asked_for(world: World) -> None:
    for _ in range(5):
        for _ in range(3 * int(QUIET_PER_S)):
            world.service.renew_if_old(7, world.clock.now_ms())
        world.clock.pass_s(1.1)
        world.service.renew_if_old(7, world.clock.now_ms() - YOUNG_AGE_MS - 1)
        assert world.refreshing() == 0
    world.clock.pass_s(1.1)
    world.service.renew_if_old(7, world.clock.now_ms() - YOUNG_AGE_MS - 1)
    assert world.refreshing() == 1
    await world.refreshed()


async def test_of_old_lists_some_are_ranked_anew_at_once_and_some_a_second(world: World) -> None:
    viewers = range(1, int(SOFT_PER_S) + 4)
    for viewer in viewers:
        await world.page(viewer)
    before = sum(map(len, world.clickhouse.batches))
    world.clock.ms += SOFT_AGE_MS + 1  # wall time alone: what may be done in a second is counted by the other clock
    world.clickhouse.open.clear()
    for viewer in viewers:
        await world.page(viewer)
    await world.chosen()
    assert world.refreshing() == SOFT_AT_ONCE
    world.clickhouse.open.set()
    for _ in range(5):
        await world.refreshed()
        for viewer in viewers:
            await world.page(viewer)
    await world.refreshed()
    assert sum(map(len, world.clickhouse.batches)) == before + int(SOFT_PER_S)


async def test_where_answers_are_late_fewer_old_lists_are_ranked_anew(world: World) -> None:
    viewers = range(1, int(SOFT_PER_S) + 1)
    for viewer in viewers:
        await world.page(viewer)
    before = sum(map(len, world.clickhouse.batches))
    world.busy = True
    world.clock.ms += SOFT_AGE_MS + 1
    for seconds in range(1, 4):
        for viewer in viewers:
            world.service.renew_if_old(viewer, world.clock.now_ms() - SOFT_AGE_MS - 1)
        await world.refreshed()
        assert sum(map(len, world.clickhouse.batches)) == before + seconds * int(SOFT_PER_S / BUSY_COST)
        world.clock.pass_s(int(SOFT_PER_S / BUSY_COST) * BUSY_COST / SOFT_PER_S)


async def test_old_lists_that_come_together_are_ranked_anew_in_one_question(world: World) -> None:
    for viewer in range(1, 6):
        await world.page(viewer)
    asked = len(world.clickhouse.batches)
    world.clock.pass_s(SOFT_AGE_MS / 1000 + 1)
    for viewer in range(1, 6):
        await world.page(viewer)
    await world.refreshed()
    assert [set(batch) for batch in world.clickhouse.batches[asked:]] == [{1, 2, 3, 4, 5}]


async def test_of_old_lists_those_that_answered_most_pages_are_ranked_anew_first(world: World) -> None:
    many = int(SOFT_PER_S) + 4
    pages = {viewer: viewer * 7 % 13 for viewer in range(1, many + 1)}
    as_of_ms = world.clock.now_ms() - SOFT_AGE_MS - 1
    for viewer, answered in pages.items():
        world.service.renew_if_old(viewer, as_of_ms, answered)
    await world.refreshed()
    asked = [viewer for batch in world.clickhouse.batches for viewer in batch]
    assert sorted(asked, key=lambda viewer: -pages[viewer]) == sorted(pages, key=lambda v: -pages[v])[: int(SOFT_PER_S)]


@pytest.mark.parametrize("away", ["clickhouse", "valkey"])
async def test_a_list_that_could_not_be_ranked_anew_goes_on_answering(world: World, away: str) -> None:
    first = await world.page()
    world.clock.pass_s(SOFT_AGE_MS / 1000 + 1)
    world.clickhouse.open.clear()
    await world.page()
    await world.clickhouse.was_asked(2)
    world.clickhouse.away, world.lists.away = away == "clickhouse", away == "valkey"
    world.clickhouse.open.set()
    await world.refreshed()
    world.clickhouse.away = world.lists.away = False
    again = await world.page()
    assert (again.cache_hit, again.frozen.list_id) == (True, first.frozen.list_id)
    await world.refreshed()
