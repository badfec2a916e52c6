"""What goes over the wire, once: the answers' bodies. OpenAPI is generated from these."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

FeedSource = Literal["ranked", "cached", "timeline"]


class FeedPost(msgspec.Struct):
    """One post of a page. Counts are those the score was computed from; times are RFC 3339, UTC."""

    post_id: int
    author_id: int
    created_at: str
    likes: int
    comments: int
    shares: int
    exposures: int
    score: float
    sources: list[str]
    position: int
    relaxed: bool
    seen: bool
    explanation: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class FeedResponse(msgspec.Struct):
    """A page. ``as_of``: when the list was ranked; ``total_count``: the length of the list the page is cut from;
    ``newer``: posts of people the viewer follows that were made since (null: not known)."""

    posts: list[FeedPost]
    cursor: str | None
    total_count: int
    cache_hit: bool
    response_time_ms: float
    algo: Literal["ch", "timeline"]
    source: FeedSource
    fallback: bool
    reason: str | None
    as_of: str
    age_ms: int
    newer: int | None


class EventResult(msgspec.Struct, omit_defaults=True):
    """The fate of one item."""

    index: int
    status: Literal["accepted", "duplicate", "conflict", "invalid"]
    reason: str | None = None


class EventsResponse(msgspec.Struct):
    """received = accepted + deduped + conflicts + invalid."""

    received: int
    accepted: int
    deduped: int
    conflicts: int
    invalid: int
    results: list[EventResult]


class PartState(msgspec.Struct):
    """One part's health."""

    status: Literal["up", "down"]
    latency_ms: float
    detail: str


class HealthResponse(msgspec.Struct):
    """``ok``: all up; ``degraded``: the feed is still answered; ``down``: it is not."""

    status: Literal["ok", "degraded", "down"]
    version: str
    parts: dict[str, PartState]


class LiveResponse(msgspec.Struct):
    """The process runs."""

    status: Literal["ok", "stopping"]


class FieldError(msgspec.Struct):
    """One field that is wrong."""

    field: str
    reason: str


class Problem(msgspec.Struct):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str
    errors: list[FieldError] | msgspec.UnsetType = msgspec.UNSET
    results: list[EventResult] | msgspec.UnsetType = msgspec.UNSET
