"""What the simulator knows of the app: a bounded picture of people, recent posts and who did what, kept current."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import asyncpg
import numpy as np

from nova_feed.errors import NovaError
from nova_feed.local.sample.bag import Bag
from nova_feed.local.sample.draw import Floats, Stream

MAX_USERS = 5_000
MAX_POSTS = 5_000
_MAX_PAIRS = 200_000
_TIMEOUT_S = 20.0

_POSTS = "SELECT id, author_id FROM posts ORDER BY created_at DESC, id DESC LIMIT $1"
_USERS = """SELECT id, coalesce(substring(bio FROM '#([a-z]+)'), '') AS topic FROM users
ORDER BY id = ANY($1::bigint[]) DESC, id LIMIT $2"""
_FOLLOWS = "SELECT follower_id, followee_id FROM follows WHERE follower_id = ANY($1::bigint[]) LIMIT $2"
_LIKES = "SELECT post_id, user_id FROM likes WHERE post_id = ANY($1::bigint[]) LIMIT $2"
_BLOCKS = "SELECT blocker_id, blocked_id FROM blocks WHERE blocker_id = ANY($1::bigint[]) LIMIT $2"

Pair = tuple[int, int]


class NobodyThereError(NovaError):
    """The app has fewer than two users, so nothing can happen in it."""


@dataclass(frozen=True, slots=True)
class Person:
    """One user; ``topic`` is the first hashtag of the bio, or empty."""

    id: int
    topic: str


class Population:
    """People, at most 5,000 recent posts, and the follows, likes and blocks among them.

    ``people`` stand in the order of their activity, ``weights`` fall with the rank as 1 / (rank + 8): few do much, most
    do little. Raises NobodyThereError below two people.
    """

    def __init__(
        self,
        people: Iterable[Person],
        posts: Iterable[Pair],
        follows: Iterable[Pair] = (),
        likes: Iterable[Pair] = (),
        blocks: Iterable[Pair] = (),
    ) -> None:
        """``posts`` are (id, author), oldest first; ``likes`` are (post, user); the others (who, whom)."""
        self.people = tuple(people)
        if len(self.people) < 2:
            raise NobodyThereError("the app has fewer than two users: load a sample network first, or sign somebody up")
        self.weights: Floats = 1.0 / (8.0 + np.arange(len(self.people), dtype=np.float64))
        self.author_of: dict[int, int] = {}
        self.follows: Bag[Pair] = Bag()
        self.likes: Bag[Pair] = Bag(likes)
        self._forget = Stream(0)
        self._blocked: set[Pair] = set()
        self._followees: defaultdict[int, Bag[int]] = defaultdict(Bag)
        self._posts_of: defaultdict[int, Bag[int]] = defaultdict(Bag)
        self.posts: Bag[int] = Bag()
        for post, author in posts:
            self.add_post(post, author)
        for who, whom in follows:
            self.follow(who, whom)
        for who, whom in blocks:
            self.block(who, whom)

    def add_post(self, post: int, author: int) -> None:
        """A new post; the oldest known one is forgotten when there are too many."""
        self.author_of[post] = author
        self.posts.add(post)
        self._posts_of[author].add(post)
        if len(self.posts) > MAX_POSTS:
            self.remove_post(next(iter(self.author_of)))

    def remove_post(self, post: int) -> None:
        """The post is gone: nobody is shown it, likes it or comments on it any more."""
        author = self.author_of.pop(post, None)
        self.posts.discard(post)
        if author is not None:
            self._posts_of[author].discard(post)

    def like(self, post: int, user: int) -> None:
        """``user`` likes ``post`` from now on. Past 200,000 known likes, any one of them is forgotten."""
        if len(self.likes) >= _MAX_PAIRS and (old := self.likes.draw(self._forget)):
            self.likes.discard(old)
        self.likes.add((post, user))

    def follow(self, who: int, whom: int) -> None:
        """``who`` follows ``whom`` from now on. Past 200,000 known follows, any one of them is forgotten."""
        if len(self.follows) >= _MAX_PAIRS and (old := self.follows.draw(self._forget)):
            self.unfollow(*old)
        self.follows.add((who, whom))
        self._followees[who].add(whom)

    def unfollow(self, who: int, whom: int) -> None:
        """``who`` follows ``whom`` no longer."""
        self.follows.discard((who, whom))
        self._followees[who].discard(whom)

    def block(self, who: int, whom: int) -> None:
        """They have nothing to do with each other from now on; both follows end."""
        self._blocked |= {(who, whom), (whom, who)}
        self.unfollow(who, whom)
        self.unfollow(whom, who)

    def may_meet(self, one: int, other: int) -> bool:
        """Two different people, neither of whom blocked the other."""
        return one != other and (one, other) not in self._blocked

    def followees(self, who: int) -> Bag[int]:
        """Whom this person follows."""
        return self._followees[who]

    def posts_of(self, author: int) -> Bag[int]:
        """This person's known posts."""
        return self._posts_of[author]


async def read_population(pool: asyncpg.Pool) -> Population:
    """The app as it is now, in five bounded reads. Raises NobodyThereError, and whatever asyncpg raises."""
    async with pool.acquire(timeout=_TIMEOUT_S) as connection:

        async def pairs(sql: str, *arguments: object) -> list[Pair]:
            return [(row[0], row[1]) for row in await connection.fetch(sql, *arguments, timeout=_TIMEOUT_S)]

        posts = await pairs(_POSTS, MAX_POSTS)
        activity = [author for _, author in posts]
        rows = await connection.fetch(_USERS, activity, MAX_USERS, timeout=_TIMEOUT_S)
        people = _by_activity([Person(row["id"], row["topic"]) for row in rows], activity)
        ids = [person.id for person in people]
        follows, blocks = await pairs(_FOLLOWS, ids, _MAX_PAIRS), await pairs(_BLOCKS, ids, _MAX_PAIRS)
        likes = await pairs(_LIKES, [post for post, _ in posts], _MAX_PAIRS)
    return Population(people, reversed(posts), follows, likes, blocks)


def _by_activity(people: list[Person], authors: list[int]) -> list[Person]:
    counts: defaultdict[int, int] = defaultdict(int)
    for author in authors:
        counts[author] += 1
    return sorted(people, key=lambda person: (-counts[person.id], person.id))
