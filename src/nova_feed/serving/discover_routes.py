"""GET /api/v1/feed/trending and GET /api/v1/discover/suggested-users."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from nova_feed.clock import rfc3339
from nova_feed.feed.suggestions import SuggestionPage
from nova_feed.feed.trending import POSTGRES, TrendingPage
from nova_feed.ops import metrics
from nova_feed.ranking import Reason, engagement, is_cold, sentence
from nova_feed.serving.observe import tell
from nova_feed.serving.query import people_limit, trending_query
from nova_feed.serving.schemas import (
    DiscoverySource,
    NamedUser,
    SuggestedUser,
    SuggestedUsersResponse,
    SuggestionReason,
    TrendingPost,
    TrendingResponse,
)
from nova_feed.serving.state import reader_of, state_of


async def trending(request: Request) -> Response:
    """What trends within a window, as far as the caller may see it."""
    state = state_of(request)
    start = state.clock.monotonic()
    principal = await reader_of(request)
    query = trending_query(request.query_params)
    page = await state.trending.page(principal.user_id, query.window, query.limit)
    listed, posts = page.listed, _posts(page)
    body = TrendingResponse(
        posts=posts,
        window=query.window,  # type: ignore[arg-type]  # one of the three: the query was checked
        count=len(posts),
        cache_hit=page.cache_hit,
        response_time_ms=round((state.clock.monotonic() - start) * 1000, 2),
        source=_source(listed.origin, cache_hit=page.cache_hit),
        fallback=listed.origin == POSTGRES,
        reason=listed.reason or None,
        as_of=rfc3339(listed.as_of_ms),
        age_ms=max(0, state.clock.now_ms() - listed.as_of_ms),
    )
    tell(request.scope, user_id=principal.user_id, window=query.window, limit=query.limit, posts=len(posts))
    return _answer(request, "trending", body)


async def suggested_users(request: Request) -> Response:
    """Whom the caller might follow, and why."""
    state = state_of(request)
    start = state.clock.monotonic()
    principal = await reader_of(request)
    limit = people_limit(request.query_params)
    page = await state.suggestions.page(principal.user_id, limit)
    listed, users = page.listed, _users(page)
    body = SuggestedUsersResponse(
        users=users,
        count=len(users),
        cold_start=is_cold(page.shown),
        cache_hit=page.cache_hit,
        response_time_ms=round((state.clock.monotonic() - start) * 1000, 2),
        source=_source(listed.origin, cache_hit=page.cache_hit),
        fallback=listed.origin == POSTGRES,
        reason=listed.reason or None,
        as_of=rfc3339(listed.as_of_ms),
        age_ms=max(0, state.clock.now_ms() - listed.as_of_ms),
    )
    tell(request.scope, user_id=principal.user_id, limit=limit, users=len(users), cold_start=body.cold_start)
    return _answer(request, "suggested_users", body)


def _answer(request: Request, surface: str, body: TrendingResponse | SuggestedUsersResponse) -> Response:
    metrics.DISCOVERY_REQUESTS.labels(surface, body.source).inc()
    tell(request.scope, source=body.source, cache_hit=body.cache_hit, fallback=body.fallback)
    age = str(body.age_ms // 1000)
    headers = {"Cache-Control": "private, no-store", "X-Feed-Source": body.source, "X-Feed-Age": age}
    return Response(msgspec.json.encode(body), headers=headers, media_type="application/json")


def _source(origin: str, *, cache_hit: bool) -> DiscoverySource:
    return "postgres" if origin == POSTGRES else "cached" if cache_hit else "computed"


def _posts(page: TrendingPage) -> list[TrendingPost]:
    rows = page.listed.candidates.take(page.shown.rows)
    columns = (rows.post_id, rows.author_id, rows.created_ms, rows.likes, rows.comments, rows.shares, engagement(rows))
    values = zip(*(column.tolist() for column in columns), page.shown.relaxed.tolist(), strict=True)
    return [
        TrendingPost(post, author, rfc3339(created), likes, comments, shares, score, position, relaxed)
        for position, (post, author, created, likes, comments, shares, score, relaxed) in enumerate(values)
    ]


def _users(page: SuggestionPage) -> list[SuggestedUser]:
    found = []
    for suggestion in page.shown:
        reasons = [_reason(reason, page.names) for reason in suggestion.reasons]
        name = page.names[suggestion.user_id]
        found.append(SuggestedUser(suggestion.user_id, name, suggestion.score, reasons[0].text, reasons))
    return found


def _reason(reason: Reason, names: Mapping[int, str]) -> SuggestionReason:
    users = [NamedUser(via, names[via]) for via in reason.vias]
    kind = reason.kind.name.lower()
    text = sentence(reason, [user.username for user in users])
    return SuggestionReason(kind, text, reason.amount, reason.term, users)  # type: ignore[arg-type]
