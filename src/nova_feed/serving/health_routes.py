"""GET /health, /health/live, /health/ready, /metrics."""

from __future__ import annotations

import asyncio

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from nova_feed import __version__
from nova_feed.ops.health import PartHealth, check_all
from nova_feed.ops.metrics import exposition
from nova_feed.serving.charge import address_of, charge
from nova_feed.serving.schemas import HealthResponse, LiveResponse, PartState
from nova_feed.serving.state import state_of


async def health(request: Request) -> Response:
    """The state and latency of each part; 503 when no feed can be answered."""
    await charge(request, state_of(request).limits.anonymous, address_of(request))
    body = await _health(request)
    return _json(body, 503 if body.status == "down" else 200)


async def ready(request: Request) -> Response:
    """Whether this process should be sent requests."""
    stopping = state_of(request).stopping
    body = await _health(request)
    return _json(body, 503 if stopping or body.status == "down" else 200)


async def live(request: Request) -> Response:
    """Whether this process runs. Stays 200 while stores are away: restarting it would not bring them back."""
    return _json(LiveResponse("stopping" if state_of(request).stopping else "ok"), 200)


async def metrics(request: Request) -> Response:
    """Prometheus' text format, of all processes of this host; only on a loopback listener."""
    if not state_of(request).show_metrics:
        raise HTTPException(404, "Not Found")
    return Response(exposition(), media_type="text/plain; version=0.0.4; charset=utf-8")


async def _health(request: Request) -> HealthResponse:
    found = await _checked(request)
    inside = state_of(request).show_metrics  # versions and reasons, with their addresses, are not for everybody
    parts = {
        name: PartState("up" if part.up else "down", part.latency_ms, part.detail if inside else "")
        for name, part in found.items()
    }
    down = {name for name, part in found.items() if not part.up}
    # A page needs PostgreSQL or ClickHouse for its rules; everything else can be away for a while.
    status = "down" if {"postgres", "clickhouse"} <= down else "degraded" if down else "ok"
    return HealthResponse(status, __version__, parts)  # type: ignore[arg-type]


async def _checked(request: Request) -> dict[str, PartHealth]:
    """One check at a time, for all who ask meanwhile: anybody may ask, and each check is a call of every server."""
    state = state_of(request)
    if state.checking is None or state.checking.done():
        state.checking = asyncio.create_task(check_all(state.checks, state.clock))
    return await asyncio.shield(state.checking)


def _json(body: msgspec.Struct, status: int) -> Response:
    return Response(msgspec.json.encode(body), status, {"Cache-Control": "no-store"}, "application/json")
