"""Whom a viewer might follow: hints of several kinds about people become one list, each person with the reasons.

    score = sum over the kinds of  weight * log1p(amount)

| kind          | amount                                                     | weight |
|---------------|------------------------------------------------------------|--------|
| FOLLOWED_BY   | how many whom the viewer follows follow this person         | 1.0    |
| SIMILAR       | how many people both follow                                | 0.5    |
| READ          | the viewer's interactions with this person within 90 days  | 1.0    |
| ALSO_READ     | readers of the viewer's authors who read this person, too  | 0.5    |
| POPULAR       | followers                                                  | 0.01   |

So popularity alone stands below every other hint (2**50 would have to follow for it to weigh as much as the least), and
fills the list of those about whom nothing is known. Equal scores stand by user id. Terms lie on a grid, and so add up
exactly in any order (see ``scoring``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

from nova_feed.ranking.scoring import GRID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

KEPT = 100
NAMED = 2


class Kind(IntEnum):
    """Why somebody is suggested. The numbers are those of the query."""

    FOLLOWED_BY = 1
    SIMILAR = 2
    READ = 3
    ALSO_READ = 4
    POPULAR = 5


WEIGHTS = {Kind.FOLLOWED_BY: 1.0, Kind.SIMILAR: 0.5, Kind.READ: 1.0, Kind.ALSO_READ: 0.5, Kind.POPULAR: 0.01}
_OF_FOLLOWEES = frozenset({Kind.FOLLOWED_BY, Kind.SIMILAR})
_SPEAKS_FOR_ITSELF = frozenset({Kind.READ, Kind.POPULAR})


class Hint(NamedTuple):
    """One source's word about one person; ``vias`` are the people its reason names."""

    person_id: int
    kind: Kind
    amount: int
    vias: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reason:
    """A hint as it counts in the score. ``amount`` >= 1."""

    kind: Kind
    amount: int
    term: float
    vias: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One person; ``reasons`` is not empty, the strongest first, and their terms add up to ``score``."""

    user_id: int
    score: float
    reasons: tuple[Reason, ...]


def merge_hints(viewer_id: int, hints: Iterable[Hint], *, most: int = KEPT) -> list[Suggestion]:
    """The best ``most`` people, best first; never the viewer. Of several hints of a kind the largest amount counts."""
    people: dict[int, dict[Kind, Hint]] = {}
    for hint in hints:
        if hint.person_id != viewer_id and hint.amount > 0:
            of_kind = people.setdefault(hint.person_id, {})
            of_kind[hint.kind] = max(of_kind.get(hint.kind, hint), hint)
    return _ordered(_suggestion(person, map(_reason, kinds.values())) for person, kinds in people.items())[:most]


def standing(
    suggestions: Iterable[Suggestion], *, allowed: Callable[[int], bool], named: Callable[[int], bool],
    followed: Callable[[int], bool],
) -> list[Suggestion]:  # fmt: skip
    """What still holds: people who are ``allowed``, by reasons that still name somebody, scored by these alone.

    A reason may name whom the viewer may see (``named``), and, where it speaks of people the viewer follows, whom the
    viewer follows now; whom it cannot name it does not count. With nobody left to name it is no reason any more.
    """
    found = []
    for suggestion in suggestions:
        if allowed(suggestion.user_id):
            left = [_narrowed(suggestion.user_id, reason, named, followed) for reason in suggestion.reasons]
            reasons = [_reason(hint) for hint in left if hint.vias or hint.kind in _SPEAKS_FOR_ITSELF]
            if reasons:
                found.append(_suggestion(suggestion.user_id, reasons))
    return _ordered(found)


def is_cold(suggestions: Iterable[Suggestion]) -> bool:
    """Whether nothing in the list is about this viewer: popularity is all it rests on."""
    return all(reason.kind is Kind.POPULAR for suggestion in suggestions for reason in suggestion.reasons)


def sentence(reason: Reason, names: Sequence[str]) -> str:
    """The reason in words; ``names`` are those of its vias, of which ``NAMED`` are said."""
    if reason.kind is Kind.FOLLOWED_BY:
        return f"followed by {_listing(names, reason.amount, ' you follow')}"
    if reason.kind is Kind.SIMILAR:
        return f"follows {_listing(names, reason.amount, '')}, as you do"
    if reason.kind is Kind.ALSO_READ:
        return f"people who read {' and '.join(names[:NAMED])} also read them"
    return "you often read their posts" if reason.kind is Kind.READ else "popular here"


def _listing(names: Sequence[str], amount: int, whose: str) -> str:
    said = list(names[:NAMED])
    others = amount - len(said)
    if others > 0:
        return f"{', '.join(said)} and {others} other{'s' if others > 1 else ''}{whose}"
    return " and ".join(said)


def _reason(hint: Hint) -> Reason:
    term = round(WEIGHTS[hint.kind] * math.log1p(hint.amount) * GRID) / GRID
    return Reason(hint.kind, hint.amount, term, hint.vias)


def _narrowed(person_id: int, reason: Reason, named: Callable[[int], bool], followed: Callable[[int], bool]) -> Hint:
    of_followees = reason.kind in _OF_FOLLOWEES
    left = tuple(via for via in reason.vias if named(via) and (followed(via) or not of_followees))
    gone = len(reason.vias) - len(left) if of_followees else 0
    return Hint(person_id, reason.kind, reason.amount - gone, left)


def _suggestion(user_id: int, reasons: Iterable[Reason]) -> Suggestion:
    ordered = tuple(sorted(reasons, key=lambda reason: (-reason.term, reason.kind)))
    return Suggestion(user_id, sum(reason.term for reason in ordered), ordered)


def _ordered(suggestions: Iterable[Suggestion]) -> list[Suggestion]:
    return sorted(suggestions, key=lambda suggestion: (-suggestion.score, suggestion.user_id))
