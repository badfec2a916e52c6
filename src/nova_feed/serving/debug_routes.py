"""/debug: what is cached for a user, what is known of a post, how the whole is. Beside /admin, and guarded as it is."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from nova_feed import __version__
from nova_feed.clock import rfc3339
from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.kept import KeptList, kept_feed
from nova_feed.ops import processes
from nova_feed.ops.health import check_all
from nova_feed.serving.admin_routes import admin_only
from nova_feed.serving.admin_schemas import (
    CachedFeedResponse,
    CachedList,
    CachedPost,
    PostMeasuresResponse,
    ProcessState,
    SystemStateResponse,
)
from nova_feed.serving.query import path_id
from nova_feed.serving.schemas import PartState
from nova_feed.serving.state import admin_of, state_of


async def user_feed_cache(request: Request) -> Response:
    """Which lists are cached for a user, and whether one of them answers the next first page."""
    admin, user_id = admin_of(request), path_id(request.path_params, "user_id")
    found = await kept_feed(admin.lists, user_id, admin.live.now)
    now_ms = state_of(request).clock.now_ms()
    body = CachedFeedResponse(
        user_id,
        found.first,
        found.first_ttl_s,
        found.answers,
        found.because or None,
        [_cached(one, now_ms) for one in found.lists],
        found.complete,
    )
    return _json(body)


async def post_metrics(request: Request) -> Response:
    """What a post's score is made from, as each store knows it."""
    post = path_id(request.path_params, "post_id")
    found = await admin_of(request).measures.read(post)
    return _json(PostMeasuresResponse(post, found.rows, found.differ, found.away))


async def system_state(request: Request) -> Response:
    """Breakers, pools and runtime version of every process of this host, state of every server, lag."""
    state, admin = state_of(request), admin_of(request)
    health, newest, lag, outbox, told = await asyncio.gather(
        check_all(state.checks, state.clock),
        _newest(request),
        admin.lag(),
        admin.outbox(),
        asyncio.to_thread(processes.told, processes.folder()),
    )
    parts = {
        name: PartState("up" if part.up else "down", part.latency_ms, part.detail) for name, part in health.items()
    }
    shown = _shown(told)
    versions = {one.runtime_version for one in shown} | {admin.live.now.version}
    return _json(SystemStateResponse(__version__, newest, versions == {newest}, parts, shown, dict(lag), *outbox))


async def _newest(request: Request) -> int | None:
    try:
        return (await admin_of(request).changes.newest()).version
    except StoreUnavailableError:
        return None


def _shown(told: list[dict[str, Any]]) -> list[ProcessState]:
    found = []
    for one in told:
        with contextlib.suppress(msgspec.ValidationError):  # a process of another release tells other things
            found.append(msgspec.convert(one, ProcessState))
    return found


def _cached(one: KeptList, now_ms: int) -> CachedList:
    top = [CachedPost(*row) for row in one.top]
    return CachedList(
        one.list_id, one.source, one.reason or None, rfc3339(one.as_of_ms), max(0, now_ms - one.as_of_ms),  # type: ignore[arg-type]
        one.ttl_s, one.rows, one.seen, one.ranked_as, top,
    )  # fmt: skip


def _json(body: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(body), headers={"Cache-Control": "no-store"}, media_type="application/json")


DEBUG_ROUTES = (
    admin_only("/debug/user/{user_id}/feed/cache", user_feed_cache, "GET"),
    admin_only("/debug/post/{post_id}/metrics", post_metrics, "GET"),
    admin_only("/debug/system/state", system_state, "GET"),
)
