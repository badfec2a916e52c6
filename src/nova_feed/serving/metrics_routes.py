"""GET /api/v1/feed/metrics."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from nova_feed.clock import rfc3339
from nova_feed.serving.observe import tell
from nova_feed.serving.query import day
from nova_feed.serving.schemas import DailyMetricsResponse
from nova_feed.serving.state import principal_of, state_of


async def daily_metrics(request: Request) -> Response:
    """What people did on a day, all of them together: for whoever is signed in, because it is about nobody."""
    state = state_of(request)
    principal = await principal_of(request)
    asked = day(request.query_params, state.daily.today())
    found, source = await state.daily.of(asked)
    body = DailyMetricsResponse(
        date=found.day,
        complete=asked < state.daily.today(),
        ctr=found.ctr,
        recommendation_ctr=found.recommendation_ctr,
        conversion_rate=found.conversion_rate,
        dwell_p50_ms=found.dwell_p50_ms if found.dwells else None,
        dwell_p95_ms=found.dwell_p95_ms if found.dwells else None,
        dedup_rate=found.dedup_rate,
        active_viewers=found.viewers,
        events=found.events,
        impressions=found.impressions,
        clicks=found.clicks,
        engagements=found.engagements,
        system_health=found.health,  # type: ignore[arg-type]  # one of the four
        canary_share=found.canary_share,
        source=source,  # type: ignore[arg-type]  # one of the three
        as_of=rfc3339(found.as_of_ms),
    )
    tell(request.scope, user_id=principal.user_id, date=found.day, source=source)
    return Response(msgspec.json.encode(body), headers={"Cache-Control": "no-store"}, media_type="application/json")
