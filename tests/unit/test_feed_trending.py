"""Trending, with stores that answer, are late, or are away."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given

from nova_feed.cache.discovery import DiscoveryCache
from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.rules import PageRules, Rules
from nova_feed.feed.trending import (
    CLICKHOUSE,
    COPY_S,
    LATE_MS,
    OWN_COPY_S,
    POSTGRES,
    SPARE,
    WINDOWS,
    Trending,
    TrendingList,
    decode,
    encode,
)  # fmt: skip
from nova_feed.ranking import Candidates, Saturation, Source, lawful, trend
from nova_feed.runtime import Live, Runtime
from tests.unit.test_clock import VirtualClock
from tests.unit.test_ranking_candidates import NOW, law
from tests.unit.test_ranking_trending import ROWS, Row, posts


class Counted:
    """A store that counts: how often it was asked, and whether it is away."""

    def __init__(self, store: str, candidates: Candidates) -> None:
        self.store, self.candidates, self.asked, self.away = store, candidates, 0, False

    async def read(self, window_s: int) -> Candidates:
        self.asked += 1
        await asyncio.sleep(0)
        if self.away:
            raise StoreUnavailableError(self.store, "no answer")
        return self.candidates


class Memory(DiscoveryCache):
    """Valkey as a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.away = False

    async def trending(self, window: str) -> bytes | None:
        self._answer()
        return self.kept.get(window)

    async def put_trending(self, window: str, body: bytes) -> None:
        self._answer()
        self.kept[window] = body

    def _answer(self) -> None:
        if self.away:
            raise StoreUnavailableError("valkey", "no answer")


class Said(Rules):
    """Rules as the test says; remembers how many posts each read was about."""

    def __init__(self) -> None:
        self.gone: frozenset[int] = frozenset()
        self.hidden: frozenset[int] = frozenset()
        self.away = False
        self.asked: list[int] = []

    async def read(self, viewer_id: int, posts: Sequence[int], authors: Sequence[int]) -> PageRules:
        if self.away:
            raise StoreUnavailableError("clickhouse", "no answer")
        self.asked.append(len(posts))
        return PageRules(frozenset(posts) - self.gone, self.hidden & frozenset(authors), frozenset())


class World:
    """Trending, and all that it stands on."""

    def __init__(self, candidates: Candidates | None = None) -> None:
        many = many_authors(200) if candidates is None else candidates
        self.clickhouse, self.postgres = Counted(CLICKHOUSE, many), Counted(POSTGRES, many)
        self.valkey, self.rules, self.clock = Memory(), Said(), VirtualClock()
        self.trending = self.process()

    def process(self) -> Trending:
        """Another process over the same stores."""
        return Trending(
            count=self.clickhouse.read, recent=self.postgres.read, rules=self.rules, cache=self.valkey,
            clock=self.clock, runtime=Live(Runtime()),
        )  # fmt: skip

    async def origin(self) -> tuple[str, bool, str]:
        listed, cache_hit = await self.trending.current("1h")
        return listed.origin, cache_hit, listed.reason


def many_authors(count: int) -> Candidates:
    """Post n by author n, the first with the most likes."""
    number = np.arange(1, count + 1)
    return Candidates.make(
        post_id=number, author_id=number, created_ms=NOW, likes=count + 1 - number, sources=Source.TRENDING
    )


async def shown_posts(trending: Trending, viewer: int = 10**6, limit: int = 10) -> list[int]:
    page = await trending.page(viewer, "1h", limit)
    found: list[int] = page.listed.candidates.post_id[page.shown.rows].tolist()
    return found


@law
@given(ROWS)
def test_a_list_is_read_as_it_was_written(rows: list[Row]) -> None:
    listed = TrendingList("24h", NOW, CLICKHOUSE, trend(posts(rows)))
    again = decode(encode(listed))
    assert (again.window, again.as_of_ms, again.origin) == ("24h", NOW, CLICKHOUSE)
    for name in ("post_id", "author_id", "created_ms", "likes", "comments", "shares"):
        assert getattr(again.candidates, name).tolist() == getattr(listed.candidates, name).tolist()


@pytest.mark.parametrize("body", [b"", b"\x00", b"\xff" * 40, encode(TrendingList("1h", 0, "", many_authors(3)))[:-1]])
def test_what_is_no_list_is_told_apart(body: bytes) -> None:
    with pytest.raises(ValueError, match="not a trending list"):
        decode(body)


async def test_what_the_job_wrote_answers_without_clickhouse() -> None:
    world = World()
    await world.trending.make("1h")
    world.clickhouse.away = True
    assert await world.origin() == (CLICKHOUSE, True, "")
    assert world.clickhouse.asked == 1


async def test_when_valkey_has_none_clickhouse_is_asked_once_for_all_processes_to_come() -> None:
    world = World()
    assert await world.origin() == (CLICKHOUSE, False, "")
    other = world.process()
    assert (await other.current("1h"))[1]
    assert world.clickhouse.asked == 1


async def test_when_valkey_is_away_clickhouse_answers_and_the_answer_says_so() -> None:
    world = World()
    world.valkey.away = True
    assert await world.origin() == (CLICKHOUSE, False, "valkey: no answer")
    world.clock.pass_s(OWN_COPY_S - 0.1)
    assert await world.origin() == (CLICKHOUSE, True, "valkey: no answer")
    assert world.clickhouse.asked == 1


async def test_when_clickhouse_is_away_too_postgresql_answers_and_is_asked_no_oftener() -> None:
    world = World()
    world.clickhouse.away = True
    assert await world.origin() == (POSTGRES, False, "clickhouse: no answer")
    assert await world.origin() == (POSTGRES, True, "clickhouse: no answer")
    assert world.postgres.asked == 1
    assert not world.valkey.kept
    world.clickhouse.away = False
    world.clock.pass_s(OWN_COPY_S + 0.1)
    assert await world.origin() == (CLICKHOUSE, False, "")


async def test_a_late_list_is_made_anew_and_serves_on_when_that_is_impossible() -> None:
    world = World()
    await world.trending.make("1h")
    world.clock.pass_s(LATE_MS / 1000 + 1)
    world.clickhouse.away = world.postgres.away = True
    assert await world.origin() == (CLICKHOUSE, True, "clickhouse: no answer")
    world.clickhouse.away = False
    world.clock.pass_s(COPY_S + 0.1)
    listed, cache_hit = await world.trending.current("1h")
    assert not cache_hit
    assert listed.as_of_ms == world.clock.now_ms()


async def test_with_no_store_left_it_says_which_and_a_crowd_does_not_try_one_after_the_other() -> None:
    world = World()
    world.clickhouse.away = world.postgres.away = True
    answers = await asyncio.gather(*(world.trending.current("1h") for _ in range(20)), return_exceptions=True)
    assert all(isinstance(answer, StoreUnavailableError) and answer.store == POSTGRES for answer in answers)
    assert (world.clickhouse.asked, world.postgres.asked) == (1, 1)
    world.postgres.away = False
    world.clock.pass_s(COPY_S + 0.1)
    assert (await world.origin())[0] == POSTGRES


async def test_a_crowd_that_misses_shares_one_count() -> None:
    world = World()
    await asyncio.gather(*(world.trending.current("7d") for _ in range(50)))
    assert world.clickhouse.asked == 1


async def test_an_empty_list_is_an_answer_but_is_not_kept() -> None:
    world = World(Candidates.empty())
    assert await shown_posts(world.trending) == []
    await world.trending.make("1h")
    assert not world.valkey.kept


async def test_each_window_is_a_list_of_its_own() -> None:
    world = World()
    for window in WINDOWS:
        assert (await world.trending.make(window)).window == window
    assert set(world.valkey.kept) == set(WINDOWS)


async def test_what_is_deleted_hidden_or_ones_own_is_not_shown_whatever_answers() -> None:
    world = World()
    for valkey_away, clickhouse_away in ((False, False), (True, False), (True, True)):
        world.valkey.away, world.clickhouse.away = valkey_away, clickhouse_away
        world.rules.gone, world.rules.hidden = frozenset({1}), frozenset({3, 4})
        assert await shown_posts(world.trending, viewer=2) == list(range(5, 15))
        world.clock.pass_s(60)


async def test_when_the_rules_cannot_be_read_there_is_no_page() -> None:
    world = World()
    await shown_posts(world.trending)
    world.rules.away = True
    with pytest.raises(StoreUnavailableError):
        await shown_posts(world.trending)


async def test_a_few_removals_cost_no_second_read_and_many_do_not_empty_the_page() -> None:
    world = World()
    world.rules.gone = frozenset(range(1, SPARE + 1))
    assert len(await shown_posts(world.trending)) == 10
    assert world.rules.asked == [10 + SPARE]
    world.rules.gone = frozenset(range(1, 191))
    assert await shown_posts(world.trending) == list(range(191, 201))
    assert world.rules.asked == [10 + SPARE, 10 + SPARE, 200]


async def test_authors_from_far_down_the_list_stand_between_the_posts_of_a_busy_one() -> None:
    busy, others = [(1, 0, 9, 0, 0)] * 34, [(author, 0, 1, 0, 0) for author in range(2, 40)]
    world = World(posts([*busy, *others]))
    page = await world.trending.page(99, "1h", 20)
    authors = page.listed.candidates.author_id[page.shown.rows].tolist()
    assert not page.shown.relaxed.any()
    assert lawful(authors, Saturation())
    assert authors[0] == 1
    assert authors.count(1) == 6
