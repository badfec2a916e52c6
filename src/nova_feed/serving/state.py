"""What an API worker holds while it lives: typed, made by bootstrap, reached through ``request.app.state``."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request

from nova_feed.cache.seen import SeenCache
from nova_feed.clock import Clock
from nova_feed.feed.copies import Copies
from nova_feed.feed.daily import Daily
from nova_feed.feed.service import FeedService
from nova_feed.feed.suggestions import Suggestions
from nova_feed.feed.trending import Trending
from nova_feed.ingest.accept import Acceptor
from nova_feed.ingest.publish import Publisher
from nova_feed.ops.access import AccessLog
from nova_feed.ops.health import Check
from nova_feed.serving.auth import Principal, TokenVerifier


@dataclass(slots=True)
class ApiState:
    """One per process. ``show_metrics``: whether /metrics is answered here (only on a loopback listener)."""

    feed: FeedService
    trending: Trending
    suggestions: Suggestions
    acceptor: Acceptor
    publisher: Publisher
    seen: SeenCache
    daily: Daily
    verifier: TokenVerifier
    copies: Copies
    access: AccessLog
    checks: Mapping[str, Check]
    clock: Clock
    show_metrics: bool
    stopping: bool = field(default=False)
    behind: set[asyncio.Task[None]] = field(default_factory=set)  # what goes on behind an answer


def state_of(request: Request) -> ApiState:
    """The state of the process that answers this request."""
    state: ApiState = request.app.state.api
    return state


async def principal_of(request: Request) -> Principal:
    """Who asks. Raises UnauthorizedError."""
    return await state_of(request).verifier.verify(request.headers.getlist("authorization"))
