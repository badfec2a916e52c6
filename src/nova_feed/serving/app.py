"""The ASGI application: routes listed by hand, middleware, exception handlers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp

from nova_feed.clock import Clock
from nova_feed.serving import problems
from nova_feed.serving.accepts import JsonOnly
from nova_feed.serving.admit import Admit, Crowd
from nova_feed.serving.bounds import Bounds
from nova_feed.serving.console_routes import CONSOLE_ROUTES
from nova_feed.serving.discover_routes import suggested_users, trending
from nova_feed.serving.event_routes import events
from nova_feed.serving.feed_routes import explain_post, feed, why_not_post
from nova_feed.serving.health_routes import health, live, metrics, ready
from nova_feed.serving.hot import HotFeed
from nova_feed.serving.metrics_routes import daily_metrics
from nova_feed.serving.observe import Observe
from nova_feed.serving.openapi import openapi
from nova_feed.serving.pressure import Yield
from nova_feed.serving.state import ApiState
from nova_feed.serving.traced import Traced

JSON = (Middleware(JsonOnly),)
CROWD = Crowd()
READS = (Middleware(JsonOnly), Middleware(Admit, crowd=CROWD))
ROUTES = (
    Route("/api/v1/feed", feed, methods=["GET"], middleware=READS),
    Route("/api/v1/feed/explain", explain_post, methods=["GET"], middleware=READS),
    Route("/api/v1/feed/why-not", why_not_post, methods=["GET"], middleware=READS),
    Route("/api/v1/feed/trending", trending, methods=["GET"], middleware=READS),
    Route("/api/v1/feed/metrics", daily_metrics, methods=["GET"], middleware=READS),
    Route("/api/v1/discover/suggested-users", suggested_users, methods=["GET"], middleware=READS),
    Route("/api/v1/events", events, methods=["POST"], middleware=(*JSON, Middleware(Yield))),
    Route("/health", health, methods=["GET"]),
    Route("/health/live", live, methods=["GET"]),
    Route("/health/ready", ready, methods=["GET"]),
    Route("/metrics", metrics, methods=["GET"]),
    Route("/openapi.json", openapi, methods=["GET"]),
)
OpenState = Callable[[], AbstractAsyncContextManager[ApiState]]


def create_app(
    open_state: OpenState,
    clock: Clock,
    cors_origins: Sequence[str] = (),
    more: Sequence[Route] = (),
    *,
    traced: bool = False,
) -> ASGIApp:
    """The application; ``open_state`` makes and closes what a process holds; ``more``: routes of this listener.

    ``traced``: with a span around every request.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_state() as state:
            app.state.api = state
            yield
            state.stopping = True

    cors = Middleware(
        CORSMiddleware, allow_origins=list(cors_origins), allow_methods=["GET", "POST", "OPTIONS"],
        allow_headers=["authorization", "content-type", "x-request-id"],
        expose_headers=["x-request-id", "ratelimit", "ratelimit-policy", "retry-after"], max_age=600,
    )  # fmt: skip
    app = Starlette(
        routes=[*ROUTES, *CONSOLE_ROUTES, *more],
        middleware=[
            Middleware(Observe, clock=clock),
            Middleware(Bounds),
            *([cors] if cors_origins else []),
        ],
        exception_handlers={HTTPException: problems.http_error, **dict.fromkeys(problems.TABLE, problems.answer)},
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # a path has one spelling: no redirect to wherever the Host header says
    outermost = HotFeed(app, app.state, clock, CROWD)
    return Traced(outermost) if traced else outermost
