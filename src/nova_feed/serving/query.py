"""Query parameters, strictly: unknown names, repetitions and wrong values are refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from starlette.datastructures import QueryParams

from nova_feed.errors import InvalidInputError
from nova_feed.model import MAX_ID

LIMIT, MOST = 50, 100
ALGOS = ("ch", "timeline")
WINDOWS = ("1h", "24h", "7d")
PEOPLE, MOST_PEOPLE = 20, 50
OLDEST_DAYS = 365  # of daily metrics; days past 30 are there when the job kept them then
_TRUTH = {"true": True, "1": True, "false": False, "0": False}


@dataclass(frozen=True, slots=True)
class FeedQuery:
    """Parameters of GET /api/v1/feed."""

    algo: str
    limit: int
    cursor: str | None
    explain: bool

    @property
    def plain(self) -> bool:
        """Whether this asks for a first page of the ranked feed and no more."""
        return self.algo == "ch" and self.cursor is None and not self.explain


def feed_query(parameters: QueryParams) -> FeedQuery:
    """Raises InvalidInputError."""
    _only(parameters, ("algo", "limit", "cursor", "explain"))
    return FeedQuery(
        algo=_choice(parameters, "algo", ALGOS, "ch"),
        limit=_whole(parameters, "limit", LIMIT, 1, MOST),
        cursor=parameters.get("cursor"),
        explain=_TRUTH[_choice(parameters, "explain", tuple(_TRUTH), "false")],
    )


@dataclass(frozen=True, slots=True)
class TrendingQuery:
    """Parameters of GET /api/v1/feed/trending."""

    window: str
    limit: int


def trending_query(parameters: QueryParams) -> TrendingQuery:
    """Raises InvalidInputError."""
    _only(parameters, ("window", "limit"))
    return TrendingQuery(_choice(parameters, "window", WINDOWS, "1h"), _whole(parameters, "limit", LIMIT, 1, MOST))


def people_limit(parameters: QueryParams) -> int:
    """The limit of GET /api/v1/discover/suggested-users. Raises InvalidInputError."""
    _only(parameters, ("limit",))
    return _whole(parameters, "limit", PEOPLE, 1, MOST_PEOPLE)


def post_id(parameters: QueryParams) -> int:
    """The post that is asked about. Raises InvalidInputError."""
    _only(parameters, ("post_id",))
    text = parameters.get("post_id", "")
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and 1 <= int(text) <= MAX_ID):
        raise _wrong("post_id", f"is {text[:40]!r}; it must be the id of a post, a whole number from 1 on")
    return int(text)


def day(parameters: QueryParams, today: date) -> date:
    """The day that is asked about, today without one; at most a year back.

    Raises InvalidInputError.
    """
    _only(parameters, ("date",))
    text = parameters.get("date")
    if text is None:
        return today
    first = today - timedelta(days=OLDEST_DAYS)
    try:
        asked = date.fromisoformat(text)
    except ValueError:
        asked = None
    if asked is None or asked.isoformat() != text or not first <= asked <= today:
        raise _wrong("date", f"is {text[:40]!r}; it must be a day from {first} to {today}")
    return asked


def _only(parameters: QueryParams, names: Sequence[str]) -> None:
    for name in parameters:
        if name not in names:
            raise _wrong(name, f"is not a parameter here; there are {', '.join(names)}")
        if len(parameters.getlist(name)) > 1:
            raise _wrong(name, "is given more than once")


def _choice(parameters: QueryParams, name: str, choices: Sequence[str], default: str) -> str:
    value = parameters.get(name, default)
    if value not in choices:
        raise _wrong(name, f"is {value[:40]!r}; it must be one of {', '.join(choices)}")
    return value


def _whole(parameters: QueryParams, name: str, default: int, least: int, most: int) -> int:
    text = parameters.get(name)
    if text is None:
        return default
    # isdecimal alone takes every script's digits; nine of them are more than any limit needs.
    if not (text.isascii() and text.isdecimal() and len(text) <= 9 and least <= int(text) <= most):
        raise _wrong(name, f"is {text[:40]!r}; it must be a whole number from {least} to {most}")
    return int(text)


def _wrong(field: str, reason: str) -> InvalidInputError:
    return InvalidInputError(f"{field[:40]} {reason}", [{"field": field[:40], "reason": reason}])
