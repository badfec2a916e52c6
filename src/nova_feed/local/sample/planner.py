"""What people do next, decided without any I/O: changes of the app's tables, and events of its clients.

The planner updates its population as it plans, so that nobody likes twice or likes a post it has just deleted; only a
new post is added by the caller, who learns its id from PostgreSQL.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from nova_feed.clock import rfc3339
from nova_feed.local.sample.draw import Stream
from nova_feed.local.sample.population import Person, Population
from nova_feed.local.sample.text import Writer
from nova_feed.model import Action

_TRIES = 12
_PAGE = 10
_DEVICES = ("web", "ios", "android")
# Of the posts a person is shown, the share that meets with each action.
_FUNNEL = (
    (Action.VIEW, 0.45),
    (Action.DWELL, 0.30),
    (Action.CLICK, 0.12),
    (Action.SHARE, 0.03),
    (Action.HIDE, 0.01),
)


class Change(StrEnum):
    """What the app may write."""

    POST = "post"
    DELETE = "delete"
    LIKE = "like"
    UNLIKE = "unlike"
    COMMENT = "comment"
    FOLLOW = "follow"
    UNFOLLOW = "unfollow"
    BLOCK = "block"


@dataclass(frozen=True, slots=True)
class Deed:
    """``user`` makes a change to ``target``: a post, or for follows and blocks a person; a new post has none (0)."""

    change: Change
    user: int
    target: int = 0
    body: str = ""


ClientEvent = dict[str, str | int]


class Planner:
    """Draws deeds and events from ``stream``, over ``population``, in the words of ``writer``."""

    def __init__(self, population: Population, stream: Stream, writer: Writer) -> None:
        self.population = population
        self._stream, self._writer = stream, writer
        self._running = np.cumsum(population.weights)
        self._topics = {name: number for number, name in enumerate(writer.topics)}
        self._topic_of = {person.id: self._topics.get(person.topic) for person in population.people}
        self._waiting: list[tuple[int, int, Action]] = []

    def write(self) -> Deed | None:
        """A new post; now and then somebody deletes one instead."""
        author = self._somebody().id
        if self._stream.chance(0.03) and (post := self.population.posts_of(author).draw(self._stream)):
            self.population.remove_post(post)
            return Deed(Change.DELETE, author, post)
        topic = np.array([self._topic(author)], dtype=np.int64)
        return Deed(Change.POST, author, body=self._writer.posts(topic, self._stream)[0])

    def like(self) -> Deed | None:
        """A like of a post not liked before; now and then one is taken back. None when nothing is found."""
        known = self.population.likes
        if self._stream.chance(0.06) and (pair := known.draw(self._stream)):
            known.discard(pair)
            return Deed(Change.UNLIKE, pair[1], pair[0])
        for _ in range(_TRIES):
            user = self._somebody().id
            post = self._post_for(user)
            if post is not None and (post, user) not in known:
                self.population.like(post, user)
                return Deed(Change.LIKE, user, post)
        return None

    def comment(self) -> Deed | None:
        """A comment under somebody else's post, or None when there is none."""
        user = self._somebody().id
        post = self._post_for(user)
        if post is None:
            return None
        topic = np.array([self._topic(self.population.author_of[post])], dtype=np.int64)
        return Deed(Change.COMMENT, user, post, self._writer.comments(topic, self._stream)[0])

    def follow(self) -> Deed | None:
        """A new follow, of those whom many follow rather than others; now and then an unfollow or, seldom, a block."""
        if self._stream.chance(0.2) and (pair := self.population.follows.draw(self._stream)):
            return self._part(*pair)
        for _ in range(_TRIES):
            user, other = self._somebody().id, self._popular()
            if self.population.may_meet(user, other) and (user, other) not in self.population.follows:
                self.population.follow(user, other)
                return Deed(Change.FOLLOW, user, other)
        return None

    def events(self, count: int, now_ms: int) -> list[ClientEvent]:
        """The next ``count`` events of people who read their feeds at ``now_ms``; fewer when nothing is there."""
        idle = 0
        while len(self._waiting) < count and idle < _TRIES:
            before = len(self._waiting)
            self._read_feed()
            idle = idle + 1 if len(self._waiting) == before else 0
        chosen, self._waiting = self._waiting[:count], self._waiting[count:]
        return [self._event(*seen, now_ms) for seen in chosen]

    def _part(self, user: int, other: int) -> Deed:
        if self._stream.chance(0.1):
            self.population.block(user, other)
            return Deed(Change.BLOCK, user, other)
        self.population.unfollow(user, other)
        return Deed(Change.UNFOLLOW, user, other)

    def _somebody(self) -> Person:
        point = self._stream.unit(1)[0] * self._running[-1]
        place = int(np.searchsorted(self._running, point, side="right"))
        return self.population.people[min(place, len(self.population.people) - 1)]

    def _popular(self) -> int:
        edge = self.population.follows.draw(self._stream) if self._stream.chance(0.6) else None
        return edge[1] if edge else self._somebody().id

    def _post_for(self, user: int) -> int | None:
        """A post this person may meet: of a followee, one that others like just now, or any; or None."""
        for _ in range(_TRIES):
            post = self._proposed(user)
            author = None if post is None else self.population.author_of.get(post)
            if author is not None and self.population.may_meet(user, author):
                return post
        return None

    def _proposed(self, user: int) -> int | None:
        if self._stream.chance(0.6):
            followee = self.population.followees(user).draw(self._stream)
            return None if followee is None else self.population.posts_of(followee).draw(self._stream)
        if self._stream.chance(0.5):
            liked = self.population.likes.draw(self._stream)  # a like brings likes: this is how posts go viral
            return None if liked is None else liked[0]
        return self.population.posts.draw(self._stream)

    def _read_feed(self) -> None:
        """One person looks at a page: every post an impression, some a view, a click, ..."""
        user = self._somebody().id
        seen = {post for post in (self._post_for(user) for _ in range(_PAGE)) if post is not None}
        for post in sorted(seen):
            self._waiting.append((user, post, Action.IMPRESSION))
            self._waiting += [(user, post, action) for action, share in _FUNNEL if self._stream.chance(share)]

    def _event(self, user: int, post: int, action: Action, now_ms: int) -> ClientEvent:
        high, low = self._stream.raw(2).tolist()
        event: ClientEvent = {
            "event_id": str(uuid.UUID(int=high << 64 | low, version=4)),
            "event_time": rfc3339(now_ms - self._stream.number(2_000)),
            "user_id": user,
            "post_id": post,
            "action": action.value,
            "device": _DEVICES[user % len(_DEVICES)],
            "app_ver": f"2.{user % 4}.0",
        }
        if action in (Action.VIEW, Action.DWELL):
            event["dwell_ms"] = 300 + self._stream.number(15_000)
        return event

    def _topic(self, user: int) -> int:
        known = self._topic_of.get(user)
        return self._stream.number(len(self._topics)) if known is None else known
