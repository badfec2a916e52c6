import hashlib
from collections import Counter
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nova_feed.local.sample.network import Network, Row
from nova_feed.local.sample.people import CAST, DAY_MS, HOUR_MS
from nova_feed.local.sample.posts import SPAN_MS
from nova_feed.local.sample.sizes import SIZES, SMALL, NetworkSize, UnknownSizeError, size_named

NOW_MS = 1_800_000_000_000
TINY = NetworkSize("tiny", 200, 10, 1_000, 4_000, 1_000, 20, 30, 25, 0.1)


@cache
def small() -> Network:
    return Network(SMALL, 7, NOW_MS)


@cache
def rows(table: str) -> list[Row]:
    found = next(each for each in small().tables() if each.name == table)
    return [row for chunk in found.chunks for row in chunk]


def digest(network: Network) -> str:
    total = hashlib.sha256()
    for table in network.tables():
        for chunk in table.chunks:
            total.update("\n".join("|".join(map(str, row)) for row in chunk).encode())
    return total.hexdigest()


def test_a_seed_gives_the_same_bytes_on_every_machine_and_python() -> None:
    assert digest(Network(TINY, 7, NOW_MS)) == "1790394897ae7c879695d1c54b85d14245b8c35351b7b12e43a6855d622d94d0"


def test_another_seed_gives_another_network() -> None:
    assert digest(Network(TINY, 8, NOW_MS)) != digest(Network(TINY, 7, NOW_MS))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**64))
def test_every_seed_keeps_the_promised_counts_and_the_laws_of_the_schema(seed: int) -> None:
    tables = {
        table.name: [row for chunk in table.chunks for row in chunk] for table in Network(TINY, seed, NOW_MS).tables()
    }
    assert {name: len(found) for name, found in tables.items()} == {
        "users": 200, "posts": 1_000, "follows": 2_000, "comments": 1_000, "likes": 4_000, "blocks": 20, "mutes": 30
    }  # fmt: skip
    for name in ("follows", "blocks", "mutes"):
        assert all(row[0] != row[1] for row in tables[name])
        assert len({row[:2] for row in tables[name]}) == len(tables[name])
    assert len({row[1:3] for row in tables["likes"]}) == 4_000
    assert len({row[1] for row in tables["users"]}) == 200


@pytest.mark.parametrize("table", ["users", "posts", "comments", "likes"])
def test_ids_count_from_one_without_gaps(table: str) -> None:
    assert [row[0] for row in rows(table)] == list(range(1, len(rows(table)) + 1))


@pytest.mark.parametrize("table", ["users", "posts", "follows", "comments", "likes", "blocks", "mutes"])
def test_nothing_is_later_than_now(table: str) -> None:
    assert all(row[-1].timestamp() * 1000 <= NOW_MS for row in rows(table))


@pytest.mark.parametrize("table", ["comments", "likes"])
def test_reactions_come_after_their_post_and_mostly_within_a_day(table: str) -> None:
    born = {row[0]: row[-1] for row in rows("posts")}
    delays = np.array([(row[-1] - born[row[1]]).total_seconds() for row in rows(table)])
    assert delays.min() >= 0
    assert (delays < 86_400).mean() > 0.9
    assert np.median(delays) < 3 * 3_600


def test_nobody_writes_or_follows_before_they_joined() -> None:
    joined = {row[0]: row[-1] for row in rows("users")}
    assert all(at >= joined[author] for _, author, _, at in rows("posts"))
    assert all(at >= max(joined[one], joined[two]) for one, two, at in rows("follows"))


def test_people_with_a_block_between_them_neither_follow_nor_like_nor_comment() -> None:
    apart = {pair for one, two, _ in rows("blocks") for pair in ((one, two), (two, one))}
    author = {row[0]: row[1] for row in rows("posts")}
    assert not apart & {row[:2] for row in rows("follows")}
    for table in ("likes", "comments"):
        assert not apart & {(row[2], author[row[1]]) for row in rows(table)}
        assert all(row[2] != author[row[1]] for row in rows(table))


def test_people_mute_only_whom_they_follow() -> None:
    assert {row[:2] for row in rows("mutes")} <= {row[:2] for row in rows("follows")}


@pytest.mark.parametrize("seed", range(5))
def test_one_person_in_a_hundred_holds_more_than_a_tenth_of_the_followers(seed: int) -> None:
    followers = np.sort(np.bincount(Network(SMALL, seed, NOW_MS).follows.target, minlength=SMALL.users))
    assert followers[-SMALL.users // 100 :].sum() > 0.1 * SMALL.follows
    assert np.median(followers) < SMALL.follows_per_user


def test_follows_gather_in_communities() -> None:
    home, follows = small().people.home, small().follows
    by_chance = (np.bincount(home) / len(home)) @ (np.bincount(home) / len(home))
    assert (home[follows.source] == home[follows.target]).mean() > 4 * by_chance


def test_likes_come_mostly_from_followers_and_the_community() -> None:
    network = small()
    follows = set(zip(network.follows.source.tolist(), network.follows.target.tolist(), strict=True))
    close = total = 0
    for run in network.likes():
        author, topic = network.posts.author[run.post], network.posts.topic[run.post]
        near = network.people.home[run.user] == topic
        pairs = zip(run.user.tolist(), author.tolist(), strict=True)
        close += int((near | np.array([pair in follows for pair in pairs])).sum())
        total += len(run.post)
    assert close > 0.6 * total


def test_people_write_by_day_and_sleep_at_night() -> None:
    network = small()
    hour = (network.posts.created_ms // HOUR_MS + network.people.zone_h[network.posts.author]) % 24
    counts = np.bincount(hour, minlength=24)
    assert counts[18:22].sum() > 8 * counts[1:5].sum()


def test_a_good_part_of_the_posts_is_recent_and_none_is_older_than_90_days() -> None:
    age = NOW_MS - small().posts.created_ms
    assert (age < 3 * DAY_MS).sum() > 4_000
    assert age.max() <= SPAN_MS
    assert (np.diff(small().posts.created_ms) >= 0).all()


def test_some_posts_go_viral_and_many_are_hardly_seen() -> None:
    likes = np.bincount(np.concatenate([run.post for run in small().likes()]), minlength=SMALL.posts)
    assert likes.max() > 20 * likes.mean()
    assert (likes == 0).mean() > 0.1


def test_some_people_are_silent_and_newcomers_have_done_nothing_yet() -> None:
    people, posts = small().people, small().posts
    assert 0.1 < 1 - len(np.unique(posts.author)) / len(people) < 0.4
    newcomers = np.flatnonzero(people.newcomers)
    assert len(newcomers) == 20
    assert not np.isin(newcomers, small().follows.source).any()


def test_the_cast_is_known_and_follows_enough_for_a_good_feed() -> None:
    assert [row[1] for row in rows("users")[:CAST]] == ["ada", "bruno", "chiara", "dev", "emi"]
    follows = Counter(row[0] for row in rows("follows"))
    assert [follows[user] for user in range(1, CAST + 1)] == [60] * CAST
    followees = small().follows.target[small().follows.source == 0]
    recent = NOW_MS - small().posts.created_ms < 3 * DAY_MS
    assert np.isin(small().posts.author[recent], followees).sum() > 100


def test_posts_are_sentences_of_many_kinds() -> None:
    bodies = [row[2] for row in rows("posts")]
    assert len(set(bodies)) > 5_000
    assert all(body[0].isupper() and "{" not in body and 10 < len(body) < 280 for body in bodies)


def test_sizes_are_found_by_name_and_an_unknown_one_names_those_there_are() -> None:
    assert all(size_named(name) is size for name, size in SIZES.items())
    with pytest.raises(UnknownSizeError, match="small, medium, large"):
        size_named("huge")


def test_a_size_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="too many follows"):
        NetworkSize("odd", 200, 100, 1_000, 1_000, 1_000, 20, 30, 25, 0.1)
