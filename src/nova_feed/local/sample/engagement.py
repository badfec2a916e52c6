"""Likes and comments: after their post, mostly within hours, mostly by followers and people of the same community.

Made for a run of posts at a time, each run from its own stream: memory does not grow with the network, and the rows of
one run do not depend on any other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from nova_feed.local.sample.draw import Flags, Floats, Groups, Ints, Stream
from nova_feed.local.sample.graph import Blocked, Followers
from nova_feed.local.sample.pairs import apportion, distinct_pairs
from nova_feed.local.sample.people import HOUR_MS, People
from nova_feed.local.sample.posts import Posts

_RUN = 20_000
_SCALE_MS = 3.0 * HOUR_MS
_FOLLOWER, _COMMUNITY = 0.6, 0.3


@dataclass(frozen=True, slots=True)
class Reactions:
    """Likes or comments of one run of posts, in order of time."""

    post: Ints
    user: Ints
    created_ms: Ints


class Audience:
    """Who may react to a post, and who does first."""

    def __init__(self, people: People, communities: int, followers: Followers, blocked: Blocked) -> None:
        self.people, self._followers, self._blocked = people, followers, blocked
        self._near = Groups(people.home, people.activity, communities)
        self._awake = (people.activity > 0.0).astype(np.float64)

    def pick(self, author: Ints, topic: Ints, attempt: int, stream: Stream) -> Ints:
        """Somebody for each post: a follower, a member of the community, or anybody (more often in later attempts)."""
        roll = stream.unit(len(author)) * (1.0 + 0.25 * attempt)
        person = stream.chosen(self.people.activity if attempt < 8 else self._awake, len(author))
        near = roll < _FOLLOWER + _COMMUNITY
        person[near] = self._near.pick(topic[near], stream)
        follower = (roll < _FOLLOWER) & (self._followers.count[author] > 0)
        person[follower] = self._followers.pick(author[follower], stream)
        return person

    def may_react(self, person: Ints, author: Ints) -> Flags:
        """Per pair: an active person who is not the author, with no block between them."""
        return (self.people.activity[person] > 0.0) & self._blocked.may_meet(person, author)


def shares(posts: Posts, total: int, users: int, now_ms: int) -> Ints:
    """How many of ``total`` reactions each post got: by heat, less where most are still to come."""
    grown = 1.0 - _still_to_come(_room(posts.created_ms, posts.ignites_ms, now_ms))
    return apportion(posts.heat * np.maximum(grown, 1e-6), total, max(1, users // 4))


def make_likes(posts: Posts, quota: Ints, audience: Audience, seed: int, part: int, now_ms: int) -> Iterator[Reactions]:
    """Likes, one per post and person at most, in runs of 20,000 posts."""
    for first in range(0, len(posts), _RUN):
        stream = Stream(seed, part, first)
        author, topic = posts.author[first : first + _RUN], posts.topic[first : first + _RUN]

        def propose(rows: Ints, attempt: int) -> Ints:
            return audience.pick(author[rows], topic[rows], attempt, stream)  # noqa: B023  used within this turn only

        def allow(rows: Ints, people: Ints) -> Flags:
            return audience.may_react(people, author[rows])  # noqa: B023  as above

        rows, user = distinct_pairs(quota[first : first + _RUN], len(audience.people), propose, allow)
        yield _timed(posts, rows + first, user, stream, now_ms)


def make_comments(
    posts: Posts, quota: Ints, audience: Audience, seed: int, part: int, now_ms: int
) -> Iterator[Reactions]:
    """Comments, in runs of 20,000 posts; one person may write several under a post."""
    for first in range(0, len(posts), _RUN):
        stream = Stream(seed, part, first)
        rows = np.repeat(np.arange(first, min(first + _RUN, len(posts)), dtype=np.int64), quota[first : first + _RUN])
        yield _timed(posts, rows, _commenters(posts, rows, audience, stream), stream, now_ms)


def _commenters(posts: Posts, rows: Ints, audience: Audience, stream: Stream) -> Ints:
    user = np.full(len(rows), -1, dtype=np.int64)
    attempt = 0
    while len(open_rows := np.flatnonzero(user < 0)):
        author, topic = posts.author[rows[open_rows]], posts.topic[rows[open_rows]]
        person = audience.pick(author, topic, attempt, stream)
        fine = audience.may_react(person, author)
        user[open_rows[fine]] = person[fine]
        attempt += 1
    return user


def _timed(posts: Posts, post: Ints, user: Ints, stream: Stream, now_ms: int) -> Reactions:
    """Delays follow P(delay > t) = (1 + t / 3 h)^-2, cut at the present, and begin when a viral post took off."""
    created_ms, ignites_ms = posts.created_ms[post], posts.ignites_ms[post]
    room = _room(created_ms, ignites_ms, now_ms)
    floor = _still_to_come(room)
    v = 1.0 - stream.unit(len(post)) * (1.0 - floor)
    delay = np.minimum(_SCALE_MS * (1.0 / np.sqrt(v) - 1.0), room).astype(np.int64)
    late = np.where(ignites_ms < now_ms - created_ms, ignites_ms, 0)
    when = created_ms + late + delay
    order = np.argsort(when, kind="stable")
    return Reactions(post[order], user[order], when[order])


def _room(created_ms: Ints, ignites_ms: Ints, now_ms: int) -> Floats:
    """Ms in which reactions had time to come: since the birth, or since a viral post took off."""
    age = now_ms - created_ms
    return np.where(ignites_ms < age, age - ignites_ms, age).astype(np.float64)


def _still_to_come(room: Floats) -> Floats:
    reach = 1.0 + room / _SCALE_MS
    return 1.0 / (reach * reach)
