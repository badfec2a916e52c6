"""What changed of the rules, as capture tells it: whom a process must not answer from memory any more.

A page was checked against PostgreSQL when it was made. It may be shown again without asking as long as nothing that
its rules read has changed since, and that is known: Debezium writes changes in the order of their commits, a heartbeat
among them, so everything committed before the newest heartbeat has been told. ``fresh``: that heartbeat is young.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec
import structlog

from nova_feed.clock import Clock
from nova_feed.model import MAX_ID
from nova_feed.stream.consumer import Received
from nova_feed.topics import HEARTBEAT, HIDDEN, HIDDEN_TABLE, cdc_topic

log = structlog.get_logger(__name__)
LATEST_S = 0.8  # the heartbeat's age up to which the rules of a page are known: the promise is one second
CLOCK_S = 30.0  # how long PostgreSQL's clock is taken to be as it was read
MEMORY_S = 5.0  # how long a viewer counts as touched
REMEMBERED = 10_000  # deleted posts
# topic -> the columns that say whose rules a row is part of
VIEWERS = {
    cdc_topic("blocks").name: ("blocker_id", "blocked_id"),
    cdc_topic("mutes").name: ("muter_id",),
    cdc_topic("follows").name: ("follower_id",),
    HIDDEN.name: ("user_id",),
}
POSTS = cdc_topic("posts").name
RULES = ("blocks", "mutes", "follows", HIDDEN_TABLE, "posts")  # the tables that the rules are read from
TOPICS = (*VIEWERS, POSTS, HEARTBEAT.name)


class Changes:
    """Takes changes as they come; nothing is known before the first ``missed``, or of PostgreSQL's clock unread."""

    def __init__(self, clock: Clock, touched: Callable[[int], None], forget: Callable[[], None]) -> None:
        """``touched(viewer)`` is called when rules of a viewer changed, ``forget()`` when anybody's may have."""
        self._clock = clock
        self._told: list[tuple[Callable[[int], None], Callable[[], None]]] = [(touched, forget)]
        self.number = 0  # of the last change that concerns everybody
        self.since = 0  # from this one on none was missed
        self._viewers: dict[int, float] = {}
        self._gone: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)
        self._beat_ms: float | None = None
        self._postgres: tuple[float, float] | None = None  # its clock in ms, and when (monotonic) that was asked for
        self._files: tuple[int, ...] | None = None  # of the tables in PostgreSQL

    def tell(self, touched: Callable[[int], None], forget: Callable[[], None]) -> None:
        """Somebody else is told, too, of what comes from now on."""
        self._told.append((touched, forget))

    def fresh(self) -> bool:
        """Whether all that was committed up to ``LATEST_S`` ago has been told."""
        if self._beat_ms is None or self._postgres is None:
            return False
        at_ms, asked = self._postgres
        since = self._clock.monotonic() - asked
        return since < CLOCK_S and at_ms + since * 1000 - self._beat_ms <= LATEST_S * 1000

    def lately(self, viewer_id: int) -> bool:
        """Whether rules of this viewer changed a moment ago: what was read meanwhile may be from before."""
        at = self._viewers.get(viewer_id)
        return at is not None and self._clock.monotonic() - at < MEMORY_S

    def gone(self, since: int, posts: Collection[int]) -> bool:
        """Whether one of these posts was deleted after change ``since``, or that is no longer known."""
        if len(self._gone) == REMEMBERED and self._gone[0][0] > since:
            return True
        for number, post in reversed(self._gone):
            if number <= since:
                break
            if post in posts:
                return True
        return False

    def clock_read(self, postgres_ms: float, asked: float) -> None:
        """PostgreSQL's clock showed this to a question asked at ``asked`` (monotonic): it is at least as late there."""
        self._postgres = (postgres_ms, asked)

    def files_read(self, files: Sequence[int]) -> None:
        """The tables of the rules lie in these files, partitions among them. Where they lie in others than before,
        they were emptied (TRUNCATE), or rows came or went with a partition, of which capture tells nothing."""
        before, self._files = self._files, tuple(files)
        if before is not None and before != self._files:
            self._anything_may_be_older()

    def _anything_may_be_older(self) -> None:
        self.number += 1
        self.since = self.number
        self._forget()

    def missed(self) -> None:
        """Records may have passed by unread: nothing made before now can be relied on."""
        self._beat_ms = None
        self._anything_may_be_older()

    def handle(self, records: Sequence[Received]) -> None:
        """Take what capture tells. A record that cannot be read may have changed anybody's rules."""
        now = self._clock.monotonic()
        for record in records:
            try:
                self._take(record, now)
            except (msgspec.MsgspecError, ValueError, TypeError, KeyError, RecursionError) as error:
                log.warning("changes.unreadable", topic=record.topic, offset=record.offset, error=str(error)[:200])
                self._forget()
        if len(self._viewers) > REMEMBERED:
            self._viewers = {viewer: at for viewer, at in self._viewers.items() if now - at < MEMORY_S}

    def _take(self, record: Received, now: float) -> None:
        if record.value is None:  # a tombstone follows its deletion
            return
        row = msgspec.json.decode(record.value, type=dict[str, Any])
        if row.get("__op") == "r":  # of a snapshot: it was there before
            return
        if record.topic == HEARTBEAT.name:
            self._beat_ms = max(self._beat_ms or 0.0, datetime.fromisoformat(row["beat_at"]).timestamp() * 1000)
        elif record.topic == POSTS:
            if row.get("__deleted") == "true":
                self.number += 1
                self._gone.append((self.number, _id(row["id"])))
        else:
            for column in VIEWERS[record.topic]:
                viewer = _id(row[column])
                self._viewers[viewer] = now
                for touched, _ in self._told:
                    touched(viewer)

    def _forget(self) -> None:
        for _, forget in self._told:
            forget()


def _id(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= MAX_ID:
        raise ValueError(f"{value!r} is no id")
    return value
