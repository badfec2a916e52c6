"""What people are called and what they write: short sentences put together from the words of their community."""

from __future__ import annotations

import tomllib
from collections import Counter
from importlib.resources import files
from typing import Any

import msgspec

from nova_feed.local.sample.draw import Floats, Ints, Stream

_BIOS = (
    "{Role}. Often {place}. #{name}",
    "{Role} with opinions about {thing}. #{name} #{other}",
    "Mostly #{name}, sometimes #{other}.",
    "I own {thing} and I am not afraid to use it. #{name}",
    "Learning in public. #{name} #{other}",
    "{Role} by day, {other} by night. #{name}",
)
_HANDLES = ("{first}_{last}", "{first}{last}", "{last}.{first}", "{first}.{last}", "{first}_{role}")
_DRAWS = 8


class Community(msgspec.Struct, frozen=True):
    """A topic people gather around, with its words; ``name`` is the hashtag."""

    name: str
    role: str
    things: tuple[str, ...]
    places: tuple[str, ...]
    done: tuple[str, ...]
    own: tuple[str, ...]


class Vocabulary(msgspec.Struct, frozen=True):
    """All the words there are."""

    first_names: tuple[str, ...]
    last_names: tuple[str, ...]
    cast: tuple[tuple[str, str], ...]
    openers: tuple[str, ...]
    closers: tuple[str, ...]
    comments: tuple[str, ...]
    communities: tuple[Community, ...]


def read_vocabulary() -> Vocabulary:
    """The vocabulary shipped with the package."""
    source: dict[str, Any] = tomllib.loads(files(__package__).joinpath("vocabulary.toml").read_text("utf-8"))
    return msgspec.convert(source, Vocabulary)


class Writer:
    """Writes names, bios, posts and comments; ``topics`` are numbers of communities."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._words = vocabulary
        self.topics = tuple(community.name for community in vocabulary.communities)

    def posts(self, topics: Ints, stream: Stream) -> list[str]:
        """One post about each of ``topics``: a sentence or two, sometimes a hashtag."""
        rolls = stream.unit(len(topics) * _DRAWS).reshape(-1, _DRAWS).tolist()
        return [
            self._post(self._words.communities[topic], roll) for topic, roll in zip(topics.tolist(), rolls, strict=True)
        ]

    def comments(self, topics: Ints, stream: Stream) -> list[str]:
        """One comment under a post about each of ``topics``."""
        rolls = stream.unit(len(topics) * 4).reshape(-1, 4).tolist()
        return [
            _fill(_one(self._words.comments, roll[0]), self._words.communities[topic], roll[1:])
            for topic, roll in zip(topics.tolist(), rolls, strict=True)
        ]

    def names(self, home: Ints, stream: Stream) -> list[tuple[str, str]]:
        """A unique username and a display name for each person; the first are the cast's."""
        cast, rolls = list(self._words.cast), stream.unit(len(home) * 3).reshape(-1, 3).tolist()
        taken = Counter(username for username, _ in cast)
        people = list(zip(home.tolist(), rolls, strict=True))[len(cast) :]
        return cast[: len(home)] + [self._name(self._words.communities[topic], roll, taken) for topic, roll in people]

    def bios(self, home: Ints, second: Ints, stream: Stream) -> list[str]:
        """A line about each person that carries the hashtag of their home community first."""
        rolls = stream.unit(len(home) * 3).reshape(-1, 3).tolist()
        people = zip(home.tolist(), second.tolist(), rolls, strict=True)
        return [
            self._bio(self._words.communities[one], self._words.communities[two], roll) for one, two, roll in people
        ]

    def _post(self, about: Community, roll: list[float]) -> str:
        body = (
            _one(about.own, roll[1]) if roll[0] < 0.25 else _fill(_one(self._words.openers, roll[1]), about, roll[2:5])
        )
        if roll[5] < 0.6:
            body += " " + _one(self._words.closers, roll[6])
        return f"{body} #{about.name}" if roll[7] < 0.35 else body

    def _name(self, home: Community, roll: list[float], taken: Counter[str]) -> tuple[str, str]:
        first, last = _one(self._words.first_names, roll[0]), _one(self._words.last_names, roll[1])
        handle = _one(_HANDLES, roll[2]).format(first=first, last=last, role=home.role.replace(" ", "_")).lower()
        taken[handle] += 1
        return handle if taken[handle] == 1 else f"{handle}{taken[handle]}", f"{first} {last}"

    def _bio(self, one: Community, two: Community, roll: list[float]) -> str:
        other = two.name if two is not one else self.topics[int(roll[2] * len(self.topics))]
        return _one(_BIOS, roll[0]).format(
            Role=one.role.capitalize(),
            name=one.name,
            other=other,
            thing=_one(one.things, roll[1]),
            place=_one(one.places, roll[1]),
        )


def avatars(unit: Floats) -> list[str]:
    """A relative path for six people in ten, nothing for the others; ``unit`` has one draw in [0, 1) each."""
    return [f"avatars/{int(draw * 100):02}.svg" if draw < 0.6 else "" for draw in unit.tolist()]


def _one(choices: tuple[str, ...], roll: float) -> str:
    return choices[int(roll * len(choices))]


def _fill(template: str, about: Community, roll: list[float]) -> str:
    return template.format(
        thing=_one(about.things, roll[0]), place=_one(about.places, roll[1]), done=_one(about.done, roll[2])
    )
