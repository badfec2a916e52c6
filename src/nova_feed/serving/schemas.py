"""What goes over the wire, once: the answers' bodies. OpenAPI is generated from these."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

FeedSource = Literal["ranked", "cached", "timeline"]
DiscoverySource = Literal["computed", "cached", "postgres"]


class FeedPost(msgspec.Struct):
    """One post of a page. Counts are those the score was computed from; times are RFC 3339, UTC. ``propensity``: the
    probability with which exploration drew the post, 0 when its score put it here."""

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
    propensity: float
    explanation: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class FeedResponse(msgspec.Struct):
    """A page. ``as_of``: when the list was ranked; ``total_count``: the length of the list the page is cut from;
    ``cold_start``: nothing is known of the viewer yet, so this is what trends and a few new posts;
    ``newer``: posts of people the viewer follows that were made since (null: not known)."""

    posts: list[FeedPost]
    cursor: str | None
    total_count: int
    cache_hit: bool
    algo: Literal["ch", "timeline"]
    source: FeedSource
    fallback: bool
    reason: str | None
    cold_start: bool
    as_of: str
    newer: int | None  # from here on what changes: the rest of a page may be answered again as it is
    response_time_ms: float
    age_ms: int


class TrendingPost(msgspec.Struct):
    """One post; likes, comments and shares are those of the window, score = likes + 2 comments + 3 shares."""

    post_id: int
    author_id: int
    created_at: str
    likes: int
    comments: int
    shares: int
    score: int
    position: int
    relaxed: bool


class TrendingResponse(msgspec.Struct):
    """What trends. ``as_of``: when it was counted; ``reason``: what was away, when something was."""

    posts: list[TrendingPost]
    window: Literal["1h", "24h", "7d"]
    count: int
    cache_hit: bool
    response_time_ms: float
    source: DiscoverySource
    fallback: bool
    reason: str | None
    as_of: str
    age_ms: int


class NamedUser(msgspec.Struct):
    """Somebody a reason names."""

    user_id: int
    username: str


class SuggestionReason(msgspec.Struct):
    """Why somebody is suggested. ``amount``: how many people, or how often; ``term``: its part of the score."""

    kind: Literal["followed_by", "similar", "read", "also_read", "popular"]
    text: str
    amount: int
    term: float
    users: list[NamedUser]


class SuggestedUser(msgspec.Struct):
    """One person. ``reason`` is the text of the strongest of the ``reasons``; their terms add up to ``score``."""

    user_id: int
    username: str
    score: float
    reason: str
    reasons: list[SuggestionReason]


class SuggestedUsersResponse(msgspec.Struct):
    """Whom to follow. ``cold_start``: nothing is known of the viewer yet, these are popular authors."""

    users: list[SuggestedUser]
    count: int
    cold_start: bool
    cache_hit: bool
    response_time_ms: float
    source: DiscoverySource
    fallback: bool
    reason: str | None
    as_of: str
    age_ms: int


class InspectionResponse(msgspec.Struct):
    """Where a post stands in the caller's feed as ranked now, and why, or why it does not.

    ``rule``: the first rule that removed it; ``position`` counts from 0; ``explanation`` as in the feed.
    """

    post_id: int
    standing: Literal["listed", "removed", "no_candidate"]
    rule: str | None
    reason: str
    position: int | None
    total_count: int
    sources: list[str]
    explanation: dict[str, Any] | None


class DailyMetricsResponse(msgspec.Struct):
    """A day (UTC), counted by the time of its events. Rates are shares of 1; null: nothing to divide by.

    ``complete``: the day is over; ``dedup_rate``: 1 when no event was counted twice; ``canary_share``: the share of the
    day's minutes in which the canary's event came through, from which ``system_health`` follows.
    """

    date: str
    complete: bool
    ctr: float | None
    recommendation_ctr: float | None
    conversion_rate: float | None
    dwell_p50_ms: int | None
    dwell_p95_ms: int | None
    dedup_rate: float | None
    active_viewers: int
    events: int
    impressions: int
    clicks: int
    engagements: int
    system_health: Literal["ok", "degraded", "bad", "unknown"]
    canary_share: float | None
    source: Literal["cached", "stored", "computed"]
    as_of: str


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
    """One part's health. ``detail``: its version, or why it is down; empty unless the listener is on loopback."""

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
