import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_feed.clock import rfc3339
from nova_feed.local.sample import population as limits
from nova_feed.local.sample.draw import Stream
from nova_feed.local.sample.planner import Change, Deed, Planner
from nova_feed.local.sample.population import NobodyThereError, Person, Population
from nova_feed.local.sample.text import Writer, read_vocabulary

NOW_MS = 1_800_000_000_000
WRITER = Writer(read_vocabulary())
seeds = st.integers(0, 2**64)


def people(count: int = 12) -> list[Person]:
    return [Person(user, WRITER.topics[user % 12]) for user in range(1, count + 1)]


def planner(seed: int, users: int = 12, posts: int = 20) -> Planner:
    written = [(post, 1 + post % users) for post in range(1, posts + 1)]
    follows = [(who, 1 + who % users) for who in range(1, users + 1)]
    return Planner(Population(people(users), written, follows), Stream(seed), WRITER)


def busy_day(planned: Planner, rounds: int = 60) -> list[Deed]:
    """Everything people do in turn; new posts get ids from 1000 up, as PostgreSQL would give them."""
    deeds = []
    for number in range(rounds):
        for plan in (planned.write, planned.like, planned.like, planned.comment, planned.follow):
            if (deed := plan()) is not None:
                deeds.append(deed)
                if deed.change is Change.POST:
                    planned.population.add_post(1000 + number, deed.user)
    return deeds


@settings(deadline=None)
@given(seeds)
def test_nobody_likes_or_comments_on_a_deleted_post(seed: int) -> None:
    deleted: set[int] = set()
    for deed in busy_day(planner(seed)):
        if deed.change is Change.DELETE:
            deleted.add(deed.target)
        elif deed.change in (Change.LIKE, Change.COMMENT):
            assert deed.target not in deleted


@settings(deadline=None)
@given(seeds)
def test_likes_follows_and_their_ends_alternate_for_every_pair(seed: int) -> None:
    planned = planner(seed)
    likes: set[tuple[int, int]] = set()
    follows = set(planned.population.follows)
    for deed in busy_day(planned):
        pair = deed.user, deed.target
        match deed.change:
            case Change.LIKE:
                assert pair not in likes
                likes.add(pair)
            case Change.UNLIKE:
                likes.remove(pair)
            case Change.FOLLOW:
                assert pair not in follows
                follows.add(pair)
            case Change.UNFOLLOW:
                follows.remove(pair)
            case Change.BLOCK:
                follows -= {pair, pair[::-1]}


@settings(deadline=None)
@given(seeds)
def test_after_a_block_the_two_have_nothing_to_do_with_each_other(seed: int) -> None:
    planned = planner(seed)
    planned.population.block(1, 2)
    authors = dict(planned.population.author_of)
    apart = {(1, 2), (2, 1)}
    for deed in busy_day(planned, 20):
        if deed.change is Change.FOLLOW:
            assert (deed.user, deed.target) not in apart
        elif deed.change in (Change.LIKE, Change.COMMENT) and deed.target in authors:
            assert (deed.user, authors[deed.target]) not in apart
    for event in planned.events(200, NOW_MS):
        assert (event["user_id"], authors.get(int(event["post_id"]))) not in apart


@settings(deadline=None)
@given(seeds)
def test_nobody_follows_themselves_or_likes_their_own_post(seed: int) -> None:
    planned = planner(seed)
    authors = dict(planned.population.author_of)
    for deed in busy_day(planned):
        if deed.change in (Change.FOLLOW, Change.BLOCK):
            assert deed.user != deed.target
        elif deed.change is Change.LIKE:
            assert authors.get(deed.target) != deed.user


@given(seeds)
def test_the_same_stream_plans_the_same(seed: int) -> None:
    assert busy_day(planner(seed), 5) == busy_day(planner(seed), 5)
    assert planner(seed).events(50, NOW_MS) == planner(seed).events(50, NOW_MS)


def test_everything_people_can_do_is_done_in_the_long_run() -> None:
    assert {deed.change for deed in busy_day(planner(5, users=40, posts=200), 400)} == set(Change)


@settings(deadline=None)
@given(seeds, st.integers(0, 300))
def test_events_are_as_many_as_asked_fresh_and_unique(seed: int, count: int) -> None:
    events = planner(seed).events(count, NOW_MS)
    assert len(events) == count
    assert len({uuid.UUID(str(event["event_id"])) for event in events}) == count
    assert all(rfc3339(NOW_MS - 2_000) <= str(event["event_time"]) <= rfc3339(NOW_MS) for event in events)


def test_who_views_a_post_was_shown_it_before() -> None:
    shown: set[tuple[object, object]] = set()
    for event in planner(3).events(500, NOW_MS):
        pair = event["user_id"], event["post_id"]
        if event["action"] == "impression":
            shown.add(pair)
        assert pair in shown
        assert ("dwell_ms" in event) == (event["action"] in ("view", "dwell"))


def test_where_there_are_no_posts_people_write_and_do_nothing_else() -> None:
    planned = planner(1, posts=0)
    assert planned.events(10, NOW_MS) == []
    assert planned.like() is None
    assert planned.comment() is None
    written = planned.write()
    assert written is not None
    assert written.change is Change.POST


def test_few_do_much_and_most_do_little() -> None:
    planned = planner(2, users=300, posts=600)
    users = [int(event["user_id"]) for event in planned.events(5_000, NOW_MS)]
    assert sum(user <= 30 for user in users) > 0.3 * len(users)


def test_no_more_posts_are_kept_than_the_limit_and_the_oldest_goes_first() -> None:
    population = Population(people(), [(post, 1) for post in range(limits.MAX_POSTS + 10)])
    assert len(population.posts) == limits.MAX_POSTS
    assert min(population.posts) == 10


def test_an_app_without_people_is_refused() -> None:
    with pytest.raises(NobodyThereError):
        Population(people(1), [])
