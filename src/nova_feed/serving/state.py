"""What an API worker holds while it lives: typed, made by bootstrap, reached through ``request.app.state``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.requests import Request

from nova_feed.cache.lists import ListCache
from nova_feed.cache.seen import SeenCache
from nova_feed.clock import Clock
from nova_feed.errors import UnauthorizedError
from nova_feed.feed.copies import Copies
from nova_feed.feed.daily import Daily
from nova_feed.feed.measures import PostMeasures
from nova_feed.feed.service import FeedService
from nova_feed.feed.suggestions import Suggestions
from nova_feed.feed.trending import Trending
from nova_feed.ingest.accept import Acceptor
from nova_feed.ingest.publish import Publisher
from nova_feed.ops.access import AccessLog
from nova_feed.ops.health import Check, PartHealth
from nova_feed.runtime import Live
from nova_feed.runtime.change import Changes
from nova_feed.serving.auth import Principal, TokenVerifier
from nova_feed.serving.charge import Limits, address_of, charge
from nova_feed.serving.pressure import Pressure


@dataclass(frozen=True, slots=True)
class Admin:
    """What the admin listener has besides.

    ``lag()``: consumer group -> topic -> records before it; ``outbox()``: events not published yet, and the age of the
    oldest in seconds. None: nobody answered. ``write(sql, values)``: what a statement of the sample app returns.
    """

    changes: Changes
    live: Live
    lists: ListCache
    measures: PostMeasures
    lag: Callable[[], Awaitable[Mapping[str, dict[str, int] | None]]]
    outbox: Callable[[], Awaitable[tuple[int | None, float | None]]]
    write: Callable[[str, Sequence[int]], Awaitable[int | None]]


@dataclass(slots=True)
class ApiState:
    """One per process. ``show_metrics``: whether /metrics and /console are answered here (loopback listeners only)."""

    feed: FeedService
    trending: Trending
    suggestions: Suggestions
    acceptor: Acceptor
    publisher: Publisher
    seen: SeenCache
    daily: Daily
    verifier: TokenVerifier
    limits: Limits
    copies: Copies
    access: AccessLog
    pressure: Pressure
    checks: Mapping[str, Check]
    clock: Clock
    show_metrics: bool
    admin: Admin | None = None  # on the admin listener alone
    stopping: bool = field(default=False)
    checking: asyncio.Task[dict[str, PartHealth]] | None = field(default=None)  # the check of all parts under way
    behind: set[asyncio.Task[None]] = field(default_factory=set)  # what goes on behind an answer


def state_of(request: Request) -> ApiState:
    """The state of the process that answers this request."""
    state: ApiState = request.app.state.api
    return state


def admin_of(request: Request) -> Admin:
    """What the admin listener has: its routes are on no other."""
    admin = state_of(request).admin
    assert admin is not None
    return admin


async def principal_of(request: Request) -> Principal:
    """Who asks. Raises UnauthorizedError; RateLimitedError for an address that went on without a valid token."""
    state = state_of(request)
    try:
        return await state.verifier.verify(request.headers.getlist("authorization"))
    except UnauthorizedError:
        await charge(request, state.limits.anonymous, address_of(request))
        raise


async def reader_of(request: Request) -> Principal:
    """Who asks, charged one read. Raises UnauthorizedError, RateLimitedError."""
    principal = await principal_of(request)
    await charge(request, state_of(request).limits.reads_of(principal), str(principal.user_id))
    return principal
