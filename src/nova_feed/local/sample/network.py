"""The whole network as the rows of the app's tables, in the order in which foreign keys allow them to be written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from nova_feed.local.sample.draw import Ints, Stream
from nova_feed.local.sample.engagement import Audience, Reactions, make_comments, make_likes, shares
from nova_feed.local.sample.graph import Blocked, Edges, Followers, make_blocks, make_follows, make_mutes
from nova_feed.local.sample.people import People, make_people
from nova_feed.local.sample.posts import Posts, make_posts
from nova_feed.local.sample.sizes import NetworkSize
from nova_feed.local.sample.text import Writer, avatars, read_vocabulary

Row = tuple[Any, ...]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_CHUNK = 20_000
# The number of each part's stream. Never renumber: it would change every network.
_PEOPLE, _BLOCKS, _FOLLOWS, _MUTES, _POSTS, _LIKES, _COMMENTS, _NAMES, _BODIES, _REPLIES = range(10)


@dataclass(frozen=True, slots=True)
class Table:
    """One table's rows in chunks. ``rows`` is exact; ``chunks`` can be walked once."""

    name: str
    columns: tuple[str, ...]
    rows: int
    chunks: Iterator[list[Row]]


@dataclass(frozen=True)
class Network:
    """A network of this size, the same for the same seed (>= 0) and ``now_ms`` (UTC ms), which nothing in it is after.

    Parts are made when first asked for; reactions and texts only while their rows are walked.
    """

    size: NetworkSize
    seed: int
    now_ms: int

    @cached_property
    def writer(self) -> Writer:
        """Who writes the texts, and the names of the communities."""
        return Writer(read_vocabulary())

    @cached_property
    def people(self) -> People:
        return make_people(self.size, self._communities, self._stream(_PEOPLE), self.now_ms)

    @cached_property
    def blocks(self) -> Edges:
        return make_blocks(self.size, self.people, self._communities, self._stream(_BLOCKS), self.now_ms)

    @cached_property
    def follows(self) -> Edges:
        return make_follows(self.size, self.people, self._communities, self._blocked, self.seed, _FOLLOWS, self.now_ms)

    @cached_property
    def mutes(self) -> Edges:
        return make_mutes(self.size, self.follows, self._stream(_MUTES), self.now_ms)

    @cached_property
    def posts(self) -> Posts:
        return make_posts(self.size, self.people, self._stream(_POSTS), self.now_ms)

    def likes(self) -> Iterator[Reactions]:
        """All likes, in runs of posts."""
        quota = shares(self.posts, self.size.likes, self.size.users, self.now_ms)
        return make_likes(self.posts, quota, self._audience, self.seed, _LIKES, self.now_ms)

    def comments(self) -> Iterator[Reactions]:
        """All comments, in runs of posts."""
        quota = shares(self.posts, self.size.comments, self.size.users, self.now_ms)
        return make_comments(self.posts, quota, self._audience, self.seed, _COMMENTS, self.now_ms)

    def tables(self) -> tuple[Table, ...]:
        """Every table, parents before children. Ids count from 1 without gaps."""
        size, pair = self.size, ("created_at",)
        return (
            Table(
                "users", ("id", "username", "display_name", "bio", "avatar_url", *pair), size.users, self._user_rows()
            ),
            Table("posts", ("id", "author_id", "body", *pair), size.posts, self._post_rows()),
            Table("follows", ("follower_id", "followee_id", *pair), size.follows, _edge_rows(self.follows)),
            Table("comments", ("id", "post_id", "user_id", "body", *pair), size.comments, self._comment_rows()),
            Table("likes", ("id", "post_id", "user_id", *pair), size.likes, self._like_rows()),
            Table("blocks", ("blocker_id", "blocked_id", *pair), size.blocks, _edge_rows(self.blocks)),
            Table("mutes", ("muter_id", "muted_id", *pair), size.mutes, _edge_rows(self.mutes)),
        )

    @property
    def _communities(self) -> int:
        return len(self.writer.topics)

    @cached_property
    def _blocked(self) -> Blocked:
        return Blocked(self.blocks, self.size.users)

    @cached_property
    def _audience(self) -> Audience:
        return Audience(self.people, self._communities, Followers(self.follows, self.size.users), self._blocked)

    def _stream(self, part: int, *chunk: int) -> Stream:
        return Stream(self.seed, part, *chunk)

    def _user_rows(self) -> Iterator[list[Row]]:
        people, stream = self.people, self._stream(_NAMES)
        names = self.writer.names(people.home, stream)
        bios, pictures = self.writer.bios(people.home, people.second, stream), avatars(stream.unit(len(people)))
        ids, joined = range(1, len(people) + 1), _times(people.joined_ms)
        yield [
            (number, *name, bio, picture, at)
            for number, name, bio, picture, at in zip(ids, names, bios, pictures, joined, strict=True)
        ]

    def _post_rows(self) -> Iterator[list[Row]]:
        for first in range(0, len(self.posts), _CHUNK):
            part = slice(first, first + _CHUNK)
            bodies = self.writer.posts(self.posts.topic[part], self._stream(_BODIES, first))
            authors, times = (self.posts.author[part] + 1).tolist(), _times(self.posts.created_ms[part])
            yield list(zip(range(first + 1, first + 1 + len(bodies)), authors, bodies, times, strict=True))

    def _comment_rows(self) -> Iterator[list[Row]]:
        first = 1
        for run in self.comments():
            bodies = self.writer.comments(self.posts.topic[run.post], self._stream(_REPLIES, first))
            yield list(zip(*_reaction_columns(run, first), bodies, _times(run.created_ms), strict=True))
            first += len(bodies)

    def _like_rows(self) -> Iterator[list[Row]]:
        first = 1
        for run in self.likes():
            yield list(zip(*_reaction_columns(run, first), _times(run.created_ms), strict=True))
            first += len(run.post)


def _reaction_columns(run: Reactions, first: int) -> tuple[range, list[int], list[int]]:
    return range(first, first + len(run.post)), (run.post + 1).tolist(), (run.user + 1).tolist()


def _edge_rows(edges: Edges) -> Iterator[list[Row]]:
    for first in range(0, len(edges), _CHUNK):
        part = slice(first, first + _CHUNK)
        source, target = (edges.source[part] + 1).tolist(), (edges.target[part] + 1).tolist()
        yield list(zip(source, target, _times(edges.created_ms[part]), strict=True))


def _times(created_ms: Ints) -> list[datetime]:
    return [_EPOCH + ms * _MS for ms in created_ms.tolist()]
