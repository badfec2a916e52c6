"""What a client may send: each item is judged alone, with no I/O, no clock and no effect."""

from __future__ import annotations

import hashlib
import re
import uuid
from datetime import datetime
from typing import Annotated

import msgspec

from nova_feed.errors import InvalidInputError
from nova_feed.model import MAX_ID, Action

MOST = 100
OLDEST_MS = 24 * 3_600_000
AHEAD_MS = 5 * 60_000
_SEMVER = re.compile(r"\d+\.\d+\.\d+(?:[-+][0-9A-Za-z.+-]{1,40})?", re.ASCII)
Id = Annotated[int, msgspec.Meta(ge=1, le=MAX_ID)]


class EventIn(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One event as a client sends it. Times are RFC 3339 with a zone."""

    post_id: Id
    action: Action
    event_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None
    event_time: Annotated[datetime, msgspec.Meta(tz=True)] | None = None
    user_id: Id | None = None
    author_id: Id | None = None
    dwell_ms: Annotated[int, msgspec.Meta(ge=0, le=3_600_000)] = 0
    device: Annotated[str, msgspec.Meta(max_length=64)] = ""
    app_ver: Annotated[str, msgspec.Meta(max_length=64)] = ""


class _Batch(msgspec.Struct, forbid_unknown_fields=True):
    events: list[msgspec.Raw]


class Valid(msgspec.Struct, frozen=True):
    """An item fit to be accepted.

    ``key`` recognises it when its subject sends it again; ``digest`` (of 63 bits, not 0) is of all it says, and 0 when
    the client gave no event_id: then there is nothing to compare.
    """

    index: int
    event: EventIn
    user_id: int
    event_time_ms: int
    key: uuid.UUID
    digest: int

    @property
    def timeless(self) -> bool:
        """Whether a retry may carry another time than the first try: the client named the event, but gave no time."""
        return self.event.event_time is None and self.event.event_id is not None


class Invalid(msgspec.Struct, frozen=True):
    """An item that is refused, and why."""

    index: int
    reason: str


def parse(body: bytes) -> list[msgspec.Raw]:
    """The items of a batch, not yet looked into. Raises InvalidInputError for a fault of the batch as a whole."""
    try:
        batch = msgspec.json.decode(body, type=_Batch)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(f'the body must be JSON like {{"events": [...]}}: {error}') from None
    if not 1 <= len(batch.events) <= MOST:
        raise InvalidInputError(
            f"events has {len(batch.events)} items; it must have 1 to {MOST}",
            [{"field": "events", "reason": f"must have 1 to {MOST} items"}],
        )
    return batch.events


def validate(index: int, raw: msgspec.Raw, *, subject_id: int, any_user: bool, now_ms: int) -> Valid | Invalid:
    """Judge one item sent by ``subject_id``; with ``any_user`` (a service) it may speak for others."""
    try:
        event = msgspec.json.decode(raw, type=EventIn)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return Invalid(index, str(error))
    user_id = event.user_id or subject_id
    time_ms = now_ms if event.event_time is None else round(event.event_time.timestamp() * 1000)
    fault = _fault(event, time_ms, now_ms)
    if fault is None and user_id != subject_id and not any_user:
        fault = "user_id: must be the token's own subject"
    if fault is not None:
        return Invalid(index, fault)
    digest = _digest(event, user_id) if event.event_id else 0
    return Valid(index, event, user_id, time_ms, _key(event, subject_id, user_id, time_ms), digest)


def _fault(event: EventIn, time_ms: int, now_ms: int) -> str | None:
    if time_ms < now_ms - OLDEST_MS:
        return "event_time: older than 24 h"
    if time_ms > now_ms + AHEAD_MS:
        return "event_time: more than 5 min ahead"
    if event.app_ver and not _SEMVER.fullmatch(event.app_ver):
        return "app_ver: must be a semantic version such as 1.2.3"
    for name in ("event_id", "device"):
        text = getattr(event, name) or ""
        if "\0" in text or not text.isprintable():
            return f"{name}: must be printable text"
    return None


def _key(event: EventIn, subject_id: int, user_id: int, time_ms: int) -> uuid.UUID:
    """The client's event_id, or else the spec's hash of user, post, action and second (T068), within the subject."""
    if event.event_id:
        return named_key(subject_id, event.event_id)
    return _hashed(f"{subject_id}:of:{user_id}:{event.post_id}:{event.action}:{time_ms // 1000}")


def named_key(subject_id: int, event_id: str) -> uuid.UUID:
    """The dedup key of an event that its client gave a name."""
    return _hashed(f"{subject_id}:id:{event_id}")


def _hashed(text: str) -> uuid.UUID:
    return uuid.UUID(bytes=hashlib.blake2b(text.encode(), digest_size=16).digest())


def _digest(event: EventIn, user_id: int) -> int:
    """A number for all that the client said, so that the same event_id with another body is told apart."""
    said = msgspec.json.encode((user_id, event))
    return int.from_bytes(hashlib.blake2b(said, digest_size=8).digest()) >> 1 | 1
