"""Suggestions, with stores that answer or are away, and rules that change while a list is cached."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from nova_feed.cache.discovery import DiscoveryCache
from nova_feed.cache.keys import SUGGESTED
from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.people import People, PeopleRules
from nova_feed.feed.suggestions import (
    CLICKHOUSE,
    POSTGRES,
    SHORT_TTL_S,
    TOGETHER,
    SuggestionPage,
    Suggestions,
    decode,
    encode,
)  # fmt: skip
from nova_feed.ranking import Hint, Kind
from nova_feed.ranking.suggesting import KEPT
from nova_feed.workers.suggestions import MOST, SHARE, SuggestionsJob
from tests.unit.test_clock import VirtualClock

VIEWER, FRIEND = 1000, 500
WARM = [Hint(person, Kind.FOLLOWED_BY, 1, (FRIEND,)) for person in range(1, 121)]
COLD = [Hint(person, Kind.POPULAR, 200 - person) for person in range(1, 31)]


class Memory(DiscoveryCache):
    """Valkey as a dictionary, with the life it gave each list."""

    def __init__(self) -> None:
        self.kept: dict[int, tuple[bytes, int]] = {}
        self.asked: dict[int, int] = {}
        self.away = False

    async def suggested(self, viewer_id: int, now_ms: int) -> bytes | None:
        self._answer()
        self.asked[viewer_id] = now_ms
        return self.kept.get(viewer_id, (None, 0))[0]

    async def put_suggested(self, bodies: Mapping[int, bytes], *, ttl_s: int = SUGGESTED.ttl_s) -> None:
        self._answer()
        self.kept |= {viewer: (body, ttl_s) for viewer, body in bodies.items()}

    async def asking(self, since_ms: int, most: int) -> Sequence[int]:
        self._answer()
        latest = sorted(self.asked, key=lambda viewer: -self.asked[viewer])
        return [viewer for viewer in latest if self.asked[viewer] >= since_ms][:most]

    def _answer(self) -> None:
        if self.away:
            raise StoreUnavailableError("valkey", "no answer")


class Network(People):
    """Everybody has a name, unless they are hidden."""

    def __init__(self) -> None:
        self.hidden: set[int] = set()
        self.followed = {FRIEND}
        self.away = False

    async def read(self, viewer_id: int, people: Sequence[int]) -> PeopleRules:
        if self.away:
            raise StoreUnavailableError("clickhouse", "no answer")
        names = {person: f"u{person}" for person in people if person not in self.hidden}
        return PeopleRules(names, frozenset(self.followed))


class World:
    """Suggestions, and all that they stand on."""

    def __init__(self, hints: list[Hint]) -> None:
        self.hints = hints
        self.valkey, self.network, self.clock = Memory(), Network(), VirtualClock()
        self.batches: list[tuple[int, ...]] = []
        self.fallbacks = 0
        self.clickhouse_away = self.postgres_away = False
        self.suggestions = Suggestions(
            hints=self.many, fallback=self.one, people=self.network, cache=self.valkey, clock=self.clock
        )

    async def many(self, viewers: Sequence[int]) -> Mapping[int, list[Hint]]:
        self.batches.append(tuple(viewers))
        await asyncio.sleep(0)
        if self.clickhouse_away:
            raise StoreUnavailableError(CLICKHOUSE, "no answer")
        return dict.fromkeys(viewers, self.hints)

    async def one(self, viewer_id: int) -> list[Hint]:
        self.fallbacks += 1
        await asyncio.sleep(0)
        if self.postgres_away:
            raise StoreUnavailableError(POSTGRES, "no answer")
        return self.hints

    async def page(self, limit: int = 20) -> SuggestionPage:
        return await self.suggestions.page(VIEWER, limit)

    async def ids(self, limit: int = 20) -> list[int]:
        return [suggestion.user_id for suggestion in (await self.page(limit)).shown]


async def test_a_list_is_read_as_it_was_written() -> None:
    listed = await World([*WARM, *COLD]).suggestions.compute(VIEWER)
    assert decode(encode(listed)) == listed


@pytest.mark.parametrize("body", [b"", b"\x01", b"\x94\x01\x02\x03\x04", b"\x94\x01\xa1\x80"])
def test_what_is_no_list_is_told_apart(body: bytes) -> None:
    with pytest.raises(ValueError, match="not a list of suggestions"):
        decode(body)


async def test_the_second_answer_comes_from_the_cache_and_its_list_lives_ten_minutes() -> None:
    world = World(WARM)
    first, second = await world.page(), await world.page()
    assert (first.cache_hit, second.cache_hit) == (False, True)
    assert first.shown == second.shown
    assert len(world.batches) == 1
    assert world.valkey.kept[VIEWER][1] == 600


async def test_a_list_that_another_version_wrote_is_as_good_as_none() -> None:
    world = World(WARM)
    world.valkey.kept[VIEWER] = (b"\x94\x01", 600)
    assert not (await world.page()).cache_hit


async def test_who_is_hidden_or_followed_since_the_list_was_made_is_gone_and_the_list_stays_full() -> None:
    world = World(WARM)
    assert (await world.ids())[:3] == [1, 2, 3]
    world.network.hidden.add(1)
    world.network.followed.add(2)
    assert await world.ids() == list(range(3, 23))
    assert (await world.page()).cache_hit


async def test_when_so_many_are_gone_that_the_list_runs_short_it_is_made_anew() -> None:
    world = World(WARM)
    await world.page()
    world.hints = WARM[KEPT:]
    world.network.hidden |= set(range(1, KEPT + 1))
    assert await world.ids() == list(range(KEPT + 1, 121))
    assert len(world.batches) == 2


async def test_a_reason_that_names_only_whom_the_viewer_blocked_is_none() -> None:
    world = World([*WARM[:5], *COLD[5:10]])
    world.network.hidden.add(FRIEND)
    assert await world.ids() == [6, 7, 8, 9, 10]


async def test_a_viewer_of_whom_nothing_is_known_gets_the_popular_and_is_looked_at_again_soon() -> None:
    world = World(COLD)
    page = await world.page()
    assert page.listed.is_cold
    assert [suggestion.user_id for suggestion in page.shown] == list(range(1, 21))
    assert world.valkey.kept[VIEWER][1] == SHORT_TTL_S


async def test_without_valkey_every_answer_is_computed() -> None:
    world = World(WARM)
    world.valkey.away = True
    assert [(await world.page()).cache_hit for _ in range(3)] == [False] * 3
    assert len(world.batches) == 3


async def test_without_clickhouse_postgresql_answers_labelled_and_for_a_short_time() -> None:
    world = World(WARM)
    world.clickhouse_away = True
    listed = (await world.page()).listed
    assert (listed.origin, listed.reason) == (POSTGRES, "clickhouse: no answer")
    assert world.valkey.kept[VIEWER][1] == SHORT_TTL_S
    assert (await world.page()).listed == listed
    assert world.fallbacks == 1


async def test_misses_at_the_same_time_are_one_read_from_either_store() -> None:
    world = World(WARM)
    world.valkey.away = True
    await asyncio.gather(*(world.page() for _ in range(20)))
    assert world.batches == [(VIEWER,)]
    world.clickhouse_away = True
    await asyncio.gather(*(world.page() for _ in range(20)))
    assert world.fallbacks == 1


async def test_with_no_store_left_or_no_rules_there_is_no_answer() -> None:
    world = World(WARM)
    world.clickhouse_away = world.postgres_away = True
    with pytest.raises(StoreUnavailableError, match="postgres"):
        await world.page()
    world.clickhouse_away = False
    await world.page()
    world.network.away = True
    with pytest.raises(StoreUnavailableError):
        await world.page()


async def test_the_job_renews_the_latest_askers_in_batches_and_rests_between_them() -> None:
    world = World(WARM)
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    async def slow(viewers: Sequence[int]) -> Mapping[int, list[Hint]]:
        world.clock.pass_s(0.5)
        return await world.many(viewers)

    slowly = Suggestions(hints=slow, fallback=world.one, people=world.network, cache=world.valkey, clock=world.clock)
    world.valkey.asked = {viewer: world.clock.now_ms() - viewer for viewer in range(1, MOST + 500)}
    job = SuggestionsJob(slowly, world.valkey, world.clock, rest)
    assert await job.step() == MOST
    assert set(world.valkey.kept) == set(range(1, MOST + 1))
    assert max(map(len, world.batches)) == TOGETHER
    assert rests == [pytest.approx(0.5 * (1 - SHARE) / SHARE)] * len(world.batches)


async def test_a_round_of_the_job_ends_when_the_next_is_due() -> None:
    world = World(WARM)

    async def rest(seconds: float) -> None:
        world.clock.pass_s(100)

    world.valkey.asked = dict.fromkeys(range(1, 1000), world.clock.now_ms())
    assert await SuggestionsJob(world.suggestions, world.valkey, world.clock, rest).step() == 3 * TOGETHER


async def test_the_job_leaves_those_alone_who_have_not_asked_for_long_and_keeps_no_cold_list() -> None:
    world = World(COLD)
    world.valkey.asked = {1: world.clock.now_ms() - 3_600_000, 2: world.clock.now_ms()}
    assert await SuggestionsJob(world.suggestions, world.valkey, world.clock).step() == 1
    assert world.batches == [(2,)]
    assert not world.valkey.kept
