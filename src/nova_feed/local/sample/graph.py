"""Who follows, blocks and mutes whom. Follows gather in communities and around a few celebrities."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nova_feed.local.sample.draw import Flags, Floats, Groups, Ints, Stream
from nova_feed.local.sample.pairs import apportion, distinct_pairs
from nova_feed.local.sample.people import CAST, People
from nova_feed.local.sample.sizes import NetworkSize

_CHUNK = 10_000
_HOME, _SECOND = 0.55, 0.15


@dataclass(frozen=True, slots=True)
class Edges:
    """Directed pairs of people, sorted by source, with the time each was made (UTC ms)."""

    source: Ints
    target: Ints
    created_ms: Ints

    def __len__(self) -> int:
        return len(self.source)


class Blocked:
    """Pairs who have nothing to do with each other: one blocked the other."""

    def __init__(self, blocks: Edges, users: int) -> None:
        both = (blocks.source * users + blocks.target, blocks.target * users + blocks.source)
        self._keys, self._users = np.unique(np.concatenate(both)), users

    def may_meet(self, one: Ints, other: Ints) -> Flags:
        """Per pair: two different people, neither of whom blocked the other."""
        keys = one * self._users + other
        place = np.searchsorted(self._keys, keys)
        known = np.append(self._keys, np.int64(-1))[place] == keys
        fine: Flags = (one != other) & ~known
        return fine


class Followers:
    """The followers of each person, to be picked at random."""

    def __init__(self, follows: Edges, users: int) -> None:
        self._followers = follows.source[np.argsort(follows.target, kind="stable")].astype(np.int32)
        self.count: Ints = np.bincount(follows.target, minlength=users).astype(np.int64)
        self._start = np.cumsum(self.count) - self.count

    def pick(self, people: Ints, stream: Stream) -> Ints:
        """One follower of each; every one of ``people`` must have some."""
        place = self._start[people] + stream.below(self.count[people], len(people))
        found: Ints = self._followers[place].astype(np.int64)
        return found


def make_blocks(size: NetworkSize, people: People, communities: int, stream: Stream, now_ms: int) -> Edges:
    """A few blocks by active people, mostly within a community."""
    quota = np.bincount(stream.chosen(people.activity, size.blocks), minlength=size.users)
    near = Groups(people.home, people.appeal, communities)

    def propose(rows: Ints, attempt: int) -> Ints:
        anyone = stream.chosen(people.appeal, len(rows))
        return np.where(stream.unit(len(rows)) < 0.7 / (1 + attempt), near.pick(people.home[rows], stream), anyone)

    source, target = distinct_pairs(quota.astype(np.int64), size.users, propose, np.not_equal)
    return Edges(source, target, _meeting(people, source, target, stream, now_ms))


def make_follows(
    size: NetworkSize, people: People, communities: int, blocked: Blocked, seed: int, part: int, now_ms: int
) -> Edges:
    """All follows, made for 10,000 followers at a time so that memory stays bounded. Nobody follows across a block."""
    degrees = _degrees(size, people, Stream(seed, part))
    near, far = Groups(people.home, people.appeal, communities), people.appeal * np.sqrt(people.appeal)
    chunks = []
    for first in range(0, size.users, _CHUNK):
        stream = Stream(seed, part, first)
        quota = degrees[first : first + _CHUNK]
        source, target = _follow(quota, first, people, near, far, blocked, stream)
        chunks.append(Edges(source, target, _meeting(people, source, target, stream, now_ms)))
    return _joined(chunks)


def make_mutes(size: NetworkSize, follows: Edges, stream: Stream, now_ms: int) -> Edges:
    """People mute whom they follow: a sample of the follows, each muted after it began."""
    chosen = np.sort(stream.shuffled(len(follows))[: size.mutes])
    since = follows.created_ms[chosen]
    when = since + stream.below(now_ms - since + 1, len(chosen))
    return Edges(follows.source[chosen], follows.target[chosen], when)


def _degrees(size: NetworkSize, people: People, stream: Stream) -> Ints:
    weights = np.where(people.newcomers, 0.0, 0.3 + stream.pareto(size.users, cap=20.0))
    weights[:CAST] = 0.0
    degrees = apportion(weights, size.follows - CAST * size.cast_follows, size.users // 3)
    degrees[:CAST] = size.cast_follows
    return degrees


def _follow(
    quota: Ints, first: int, people: People, near: Groups, far: Floats, blocked: Blocked, stream: Stream
) -> tuple[Ints, Ints]:
    known = (far > 0.0).astype(np.float64)

    def propose(rows: Ints, attempt: int) -> Ints:
        """Home community, then the second, then celebrities of all; whoever cannot find enough takes anybody."""
        who, roll = rows + first, stream.unit(len(rows))
        pick = stream.chosen(far if attempt < 8 else known, len(rows))
        eager = 1.0 if attempt < 8 else 0.3
        second = roll < (_HOME + _SECOND) * eager
        pick[second] = near.pick(people.second[who[second]], stream)
        home = roll < _HOME * eager
        pick[home] = near.pick(people.home[who[home]], stream)
        return pick

    rows, target = distinct_pairs(quota, len(people), propose, lambda rows, col: blocked.may_meet(rows + first, col))
    return rows + first, target


def _meeting(people: People, source: Ints, target: Ints, stream: Stream, now_ms: int) -> Ints:
    """A time after both have joined, not after now."""
    since = np.maximum(people.joined_ms[source], people.joined_ms[target])
    return since + stream.below(now_ms - since + 1, len(source))


def _joined(chunks: list[Edges]) -> Edges:
    return Edges(
        np.concatenate([chunk.source for chunk in chunks]),
        np.concatenate([chunk.target for chunk in chunks]),
        np.concatenate([chunk.created_ms for chunk in chunks]),
    )
