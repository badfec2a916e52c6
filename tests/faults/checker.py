"""The checker: what clients sent and were told, against what is visible. Pure.

An event that was once answered ``accepted`` or ``duplicate`` must be visible exactly once, as it was sent. One that was
only refused must not be visible. One whose fate nobody knows (no answer, 5xx, connection cut) may be either, but never
there twice; sending it again until it is answered settles it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Outcome = Literal["accepted", "duplicate", "rejected", "unknown"]
Count = Mapping[tuple[int, Any], int]  # by (post, action), or by (user, author)
COUNTED = ("impression", "view", "click", "like", "comment", "share")  # per post; the others are kept, not counted
OF_A_PAIR = ("view", "click", "share", "dwell")  # likes and comments of a pair are counted from the app's own tables
SHOWN = ("impression", "share")  # what the ranker's own counters take from events


@dataclass(frozen=True, slots=True)
class Sent:
    """An event as a client sent it."""

    event_id: str
    post_id: int
    author_id: int
    user_id: int
    action: str


@dataclass(frozen=True, slots=True)
class Row:
    """An event as it is stored: ``copies`` rows on disk have this event_id and this seq."""

    event_id: str
    seq: int
    post_id: int
    user_id: int
    action: str
    copies: int = 1


@dataclass(frozen=True, slots=True)
class Visible:
    """What is to be seen of the posts a history is about.

    ``rows`` is read from the table as it lies on disk, ``final`` says how many rows an event_id has under FINAL.
    ``posts`` and ``shown`` count by (post, action), ``pairs`` by (user, author).
    """

    rows: Sequence[Row] = ()
    final: Mapping[str, int] = field(default_factory=dict)
    posts: Count = field(default_factory=dict)
    pairs: Count = field(default_factory=dict)
    shown: Count = field(default_factory=dict)

    @property
    def received_again(self) -> int:
        """Rows on disk beyond the first of their seq."""
        return sum(row.copies - 1 for row in self.rows)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong, by name; nothing is when all are empty. ``received_again`` and ``found`` are figures, not faults:
    rows on disk beyond the first of their seq, and events of unknown fate that are visible."""

    lost: tuple[str, ...] = ()
    phantom: tuple[str, ...] = ()
    duplicate: tuple[str, ...] = ()
    resurrected: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()
    received_again: int = 0
    found: int = 0

    @property
    def good(self) -> bool:
        return not (self.lost or self.phantom or self.duplicate or self.resurrected or self.differing)

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(
            self.lost + other.lost, self.phantom + other.phantom, self.duplicate + other.duplicate,
            self.resurrected + other.resurrected, self.differing + other.differing,
            self.received_again + other.received_again, self.found + other.found,
        )  # fmt: skip

    def __str__(self) -> str:
        kinds = {"lost": self.lost, "phantom": self.phantom, "duplicate": self.duplicate,
                 "resurrected": self.resurrected, "differing": self.differing}  # fmt: skip
        told = [f"{len(names)} {kind} ({', '.join(names[:3])})" for kind, names in kinds.items() if names]
        return "; ".join(told) or "all is well"


class History:
    """Every event that was sent, and every answer about it."""

    def __init__(self) -> None:
        self._sent: dict[str, Sent] = {}
        self._told: dict[str, Counter[Outcome]] = {}

    def sent(self, event: Sent) -> None:
        """A client is about to send it, perhaps again. Raises ValueError when it said otherwise before."""
        if self._sent.setdefault(event.event_id, event) != event:
            raise ValueError(f"{event.event_id} was sent before with another body")
        self._told.setdefault(event.event_id, Counter())

    def told(self, event_id: str, outcome: Outcome) -> None:
        """A client was told about it. Raises KeyError for an event that was never sent."""
        self._told[event_id][outcome] += 1

    def __len__(self) -> int:
        return len(self._sent)

    def count(self, outcome: Outcome) -> int:
        """Events that were told this at least once."""
        return sum(outcome in told for told in self._told.values())

    @property
    def must(self) -> set[str]:
        """Those that were promised to be there."""
        return {name for name, told in self._told.items() if told["accepted"] or told["duplicate"]}

    @property
    def may(self) -> set[str]:
        """Those whose fate nobody knows: never answered for good, and not only refused."""
        return {name for name, told in self._told.items() if told["unknown"] or not told} - self.must

    @property
    def accepted_twice(self) -> set[str]:
        """Those that were told twice that they are new."""
        return {name for name, told in self._told.items() if told["accepted"] > 1}

    def judge(self, visible: Visible) -> Verdict:
        """Compare with what is there; ``visible`` must hold all there is of the posts of this history."""
        must, may = self.must, self.may
        known, there = must | may, {row.event_id for row in visible.rows}
        seqs = Counter(row.event_id for row in visible.rows)
        strange = [row for row in visible.rows if row.event_id not in known or not self._is_as_sent(row)]
        twice = {name for name, n in seqs.items() if n > 1} | {name for name, n in visible.final.items() if n > 1}
        lost = must - {row.event_id for row in visible.rows if self._is_as_sent(row)}
        hidden = (there & must) - visible.final.keys()
        return Verdict(
            lost=tuple(sorted(lost | hidden)),
            phantom=tuple(sorted({row.event_id for row in strange} | (visible.final.keys() - known))),
            duplicate=tuple(sorted(twice | self.accepted_twice)),
            differing=tuple(self._differing(must | (may & there), visible)),
            received_again=visible.received_again,
            found=len(may & there),
        )

    def _is_as_sent(self, row: Row) -> bool:
        sent = self._sent.get(row.event_id)
        return sent is not None and (sent.post_id, sent.user_id, sent.action) == (row.post_id, row.user_id, row.action)

    def _differing(self, names: Collection[str], visible: Visible) -> Iterable[str]:
        events = [self._sent[name] for name in names]
        posts = Counter((e.post_id, e.action) for e in events if e.action in COUNTED)
        pairs = Counter((e.user_id, e.author_id) for e in events if e.action in OF_A_PAIR)
        shown = Counter((e.post_id, e.action) for e in events if e.action in SHOWN)
        yield from _compare("post_metrics_1h", posts, visible.posts)
        yield from _compare("user_author_90d", pairs, visible.pairs)
        yield from _compare("hot_posts", shown, visible.shown)


def judge_rows(table: str, kept: Collection[int], deleted: Collection[int], visible: Sequence[int]) -> Verdict:
    """The same for rows of a captured table: ``kept`` were written, ``deleted`` written and deleted, by id."""
    there = Counter(visible)

    def names(ids: Iterable[int]) -> tuple[str, ...]:
        return tuple(f"{table} {number}" for number in sorted(ids))

    return Verdict(
        lost=names(set(kept) - there.keys()),
        phantom=names(there.keys() - set(kept) - set(deleted)),
        duplicate=names(number for number, n in there.items() if n > 1),
        resurrected=names(there.keys() & set(deleted)),
    )


def _compare(table: str, model: Count, counted: Count) -> Iterable[str]:
    for key in sorted(model.keys() | counted.keys(), key=str):
        want, have = model.get(key, 0), counted.get(key, 0)
        if want != have:
            yield f"{table} {key}: {have}, not {want}"
