"""Flags and configuration as one frozen value: valid as a whole, or not at all. Pure.

A *document* is its form as plain data: ``{"flags": {name: bool}, "config": {name: number}}``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nova_feed.errors import InvalidInputError
from nova_feed.ranking import Saturation, Weights

LARGEST_BYTES = 65_536  # of a document as text
MOST_APART = 5  # so many authors a cursor remembers, and this one
PARTS = frozenset({"flags", "config"})
Document = dict[str, dict[str, bool | int | float]]


@dataclass(frozen=True, slots=True)
class Number:
    """What a number may be: from ``least`` to ``most``, both included; ``whole``: an integer."""

    least: float
    most: float
    meaning: str
    whole: bool = False

    def told(self) -> str:
        """What would be right."""
        return f"a {'whole ' * self.whole}number from {self.least:g} to {self.most:g}"

    def takes(self, value: object) -> bool:
        """Whether this is such a number. Neither a bool nor NaN is."""
        if isinstance(value, bool) or not isinstance(value, int if self.whole else int | float):
            return False
        return self.least <= value <= self.most


FLAGS = {
    "use_ch_ranking": "Off: algo=ch is answered by the timeline from PostgreSQL; ClickHouse is not asked to rank.",
    "enable_caching": "Off: every first page is ranked anew; cursors go on reading their lists.",
    "enable_fallback": "Off: without ClickHouse a feed is 503 instead of a timeline from PostgreSQL.",
}
CONFIG = {
    "weight_freshness": Number(0, 1000, "Weight of exp(-0.1 * age in hours)."),
    "weight_engagement": Number(0, 1000, "Weight of the engagement per exposure."),
    "weight_affinity": Number(0, 1000, "Weight of log1p(interactions of viewer and author)."),
    "feed_ttl_s": Number(1, 3600, "How long a ranked list answers first pages.", whole=True),
    "list_ttl_s": Number(60, 86_400, "How long a frozen list outlives its last read.", whole=True),
    "soft_age_ms": Number(0, 600_000, "A list older than this is ranked anew behind the answer.", whole=True),
    "young_age_ms": Number(0, 600_000, "So is a list older than this, while there is time for it.", whole=True),
    "author_distance": Number(1, MOST_APART, "Places from a post of an author to the next.", whole=True),
    "author_max_in_top": Number(1, 5, "Posts of an author within the first five.", whole=True),
}


@dataclass(frozen=True, slots=True)
class Runtime:
    """What holds now. Version 0 is what the settings say; every change is a version more. Raises ValueError.

    ``weights`` and ``saturation`` are the ranker's, made once; ``weights.version`` names how a list was ranked: two
    values that rank alike have the same.
    """

    version: int = 0
    use_ch_ranking: bool = True
    enable_caching: bool = True
    enable_fallback: bool = True
    weight_freshness: float = 0.30
    weight_engagement: float = 0.40
    weight_affinity: float = 0.30
    feed_ttl_s: int = 120
    list_ttl_s: int = 600
    soft_age_ms: int = 5_000
    young_age_ms: int = 100
    author_distance: int = 3
    author_max_in_top: int = 1
    weights: Weights = field(init=False, compare=False, repr=False)
    saturation: Saturation = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        weights = (float(self.weight_freshness), float(self.weight_engagement), float(self.weight_affinity))
        ranking = repr((*weights, self.author_distance, self.author_max_in_top))
        name = hashlib.blake2b(ranking.encode(), digest_size=6).hexdigest()
        object.__setattr__(self, "weights", Weights(*weights, version=name))
        saturation = Saturation(max_in_top=self.author_max_in_top, distance=self.author_distance)
        object.__setattr__(self, "saturation", saturation)

    @property
    def flags(self) -> dict[str, bool]:
        """Every flag."""
        return {name: getattr(self, name) for name in FLAGS}

    @property
    def config(self) -> dict[str, int | float]:
        """Every number."""
        return {name: getattr(self, name) for name in CONFIG}

    @property
    def document(self) -> Document:
        """As plain data, every name in it; ``parse`` reads it."""
        return {"flags": {**self.flags}, "config": {**self.config}}


def parse(document: object, *, defaults: Runtime, version: int) -> Runtime:
    """The value a document describes; a name that is not in it (one of an older release) is as in ``defaults``.

    Raises InvalidInputError naming every field that is wrong, its value and what would be right.
    """
    if not isinstance(document, Mapping):
        raise _wrong([("document", f"is {_shown(document)}; it must be an object with flags and config")])
    unknown = [(str(name)[:40], "is unknown; there are flags and config") for name in document.keys() - PARTS]
    if unknown:
        raise _wrong(sorted(unknown))
    errors: list[tuple[str, str]] = []
    found: dict[str, object] = {}
    for part, names in (("flags", FLAGS), ("config", CONFIG)):
        values = document.get(part, {})
        if not isinstance(values, Mapping):
            errors.append((part, f"is {_shown(values)}; it must be an object"))
            continue
        errors += [(f"{part}.{field}", reason) for field, reason in _errors(values, names)]
        found.update(values)
    if errors:
        raise _wrong(errors)
    return _made(defaults, found, version)


def load(text: bytes | str, *, defaults: Runtime, version: int) -> Runtime:
    """``parse`` of what ``read`` reads. Raises InvalidInputError."""
    return parse(read(text), defaults=defaults, version=version)


def with_flags(now: Runtime, flags: Mapping[str, object]) -> Runtime:
    """The same with these flags. Raises InvalidInputError."""
    errors = _errors(flags, FLAGS)
    if errors or not flags:
        raise _wrong(errors or [("flags", "names none; give at least one flag, true or false")])
    return _made(now, flags, now.version)


def with_config(now: Runtime, config: Mapping[str, object]) -> Runtime:
    """The same with this configuration, in which every name must be. Raises InvalidInputError."""
    missing = [(name, f"is missing; it must be {CONFIG[name].told()}") for name in CONFIG if name not in config]
    errors = _errors(config, CONFIG) + missing
    if errors:
        raise _wrong(errors)
    return _made(now, config, now.version)


def differences(before: Runtime, after: Runtime) -> dict[str, tuple[object, object]]:
    """Name -> (before, after) of everything in which they differ; versions aside."""
    pairs = {name: (getattr(before, name), getattr(after, name)) for name in (*FLAGS, *CONFIG)}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def read(text: bytes | str) -> object:
    """JSON, strictly: UTF-8, no name twice, no NaN, at most 64 KiB. Raises InvalidInputError."""
    if len(text) > LARGEST_BYTES:
        raise _wrong([("document", f"has more than {LARGEST_BYTES} bytes")])
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        told = "is nested too deep" if isinstance(error, RecursionError) else f"is not JSON: {error}"
        raise _wrong([("document", told[:200])]) from None


def _made(base: Runtime, values: Mapping[str, object], version: int) -> Runtime:
    changes: dict[str, Any] = {
        name: float(value) if name in CONFIG and not CONFIG[name].whole else value  # type: ignore[arg-type]
        for name, value in values.items()
    }
    try:
        return replace(base, **changes, version=version)
    except ValueError as error:  # what only all of them together show: every weight is 0
        raise _wrong([("config", str(error))]) from None


def _errors(values: Mapping[str, object], names: Mapping[str, object]) -> list[tuple[str, str]]:
    return [(str(name)[:40], reason) for name, value in values.items() if (reason := _reason(names, name, value))]


def _reason(names: Mapping[str, object], name: str, value: object) -> str:
    if name not in names:
        return f"is unknown; there are {', '.join(names)}"
    number = CONFIG.get(name)
    if number is None:
        return "" if isinstance(value, bool) else f"is {_shown(value)}; it must be true or false"
    return "" if number.takes(value) else f"is {_shown(value)}; it must be {number.told()}"


def _wrong(errors: list[tuple[str, str]]) -> InvalidInputError:
    told = "; ".join(f"{name} {reason}" for name, reason in errors[:20])
    return InvalidInputError(told, [{"field": name, "reason": reason} for name, reason in errors[:20]])


def _shown(value: object) -> str:
    return json.dumps(value, default=repr)[:40]


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is there twice")
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number in JSON")
