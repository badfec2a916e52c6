"""GET /api/v1/feed, /api/v1/feed/explain, /api/v1/feed/why-not."""

from __future__ import annotations

from functools import cache

import msgspec
import numpy as np
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from nova_feed.clock import rfc3339
from nova_feed.feed.copies import Mark, Rows
from nova_feed.feed.inspect import Inspection, Standing
from nova_feed.feed.service import SWITCHED_OFF, TIMELINE, Page
from nova_feed.ops import metrics
from nova_feed.ranking import Source, explain
from nova_feed.serving.hot import TAIL
from nova_feed.serving.observe import tell
from nova_feed.serving.query import FeedQuery, feed_query, post_id
from nova_feed.serving.schemas import FeedPost, FeedResponse, FeedSource, InspectionResponse
from nova_feed.serving.state import ApiState, reader_of, state_of

_requests, _seconds = cache(metrics.FEED_REQUESTS.labels), cache(metrics.FEED_SECONDS.labels)
_SOURCES = {bits: [s.name.lower() for s in Source if s & bits and s.name] for bits in range(32)}


async def feed(request: Request) -> Response:
    """The caller's own feed: a page of ranked posts, and a cursor to the next one."""
    state = state_of(request)
    mark = state.copies.mark()
    principal = await reader_of(request)
    query = feed_query(request.query_params)
    page, body = await _made(state, mark, principal.user_id, query)
    _record(request, principal.user_id, query, body, page)
    age = str(body.age_ms // 1000)
    headers = {"Cache-Control": "private, no-store", "X-Feed-Source": body.source, "X-Feed-Age": age}
    return Response(msgspec.json.encode(body), headers=headers, media_type="application/json")


async def make_first(state: ApiState, viewer_id: int, limit: int) -> None:
    """Make a viewer's first page and keep it, for nobody's answer. Raises StoreUnavailableError."""
    await _made(state, state.copies.mark(), viewer_id, FeedQuery("ch", limit, None, explain=False))


async def _made(state: ApiState, mark: Mark, viewer_id: int, query: FeedQuery) -> tuple[Page, FeedResponse]:
    """A page as it goes over the wire, begun at ``mark``; kept if it may be answered again."""
    page = await state.feed.page(viewer_id, algo=query.algo, limit=query.limit, cursor=query.cursor)
    took_ms = round((state.clock.monotonic() - mark.at) * 1000, 2)
    body = render(page, query, now_ms=state.clock.now_ms(), took_ms=took_ms)
    if query.plain and page.may_be_kept:
        _keep(state, mark, viewer_id, query.limit, body, page)
    return page, body


def _keep(state: ApiState, mark: Mark, viewer_id: int, limit: int, body: FeedResponse, page: Page) -> None:
    """Let this process answer the same page again: without the fields that the answer ends with."""
    shown = np.array(page.cut.rows, dtype=np.int64)
    rows = Rows.of(
        (post.post_id for post in body.posts), (post.author_id for post in body.posts),
        page.frozen.followed[shown].tolist(),
    )  # fmt: skip
    cached = msgspec.structs.replace(body, cache_hit=True, source="cached", newer=None, response_time_ms=0.0, age_ms=0)
    state.copies.put(
        mark, viewer_id, limit, list_id=page.frozen.list_id, as_of_ms=page.frozen.as_of_ms,
        body=msgspec.json.encode(cached).removesuffix(TAIL), newer=page.newer, rows=rows,
    )  # fmt: skip


async def explain_post(request: Request) -> Response:
    """Why a post stands where it stands; 404 when it is not in the caller's feed."""
    found = await _inspect(request)
    if found.standing != Standing.LISTED:
        raise HTTPException(404, f"post {found.post_id} is not in your feed: ask /api/v1/feed/why-not")
    return _inspection(found)


async def why_not_post(request: Request) -> Response:
    """Why a post is not in the caller's feed, or that it is."""
    return _inspection(await _inspect(request))


async def _inspect(request: Request) -> Inspection:
    state = state_of(request)
    principal = await reader_of(request)
    found = await state.feed.inspect(principal.user_id, post_id(request.query_params))
    tell(
        request.scope, user_id=principal.user_id, post_id=found.post_id, standing=found.standing.value, rule=found.rule
    )
    return found


def _inspection(found: Inspection) -> Response:
    body = InspectionResponse(
        found.post_id, found.standing.value, found.rule, found.reason, found.position, found.total,
        [source.lower() for source in found.sources], found.explanation,
    )  # fmt: skip
    return Response(msgspec.json.encode(body), headers={"Cache-Control": "no-store"}, media_type="application/json")


def render(page: Page, query: FeedQuery, *, now_ms: int, took_ms: float) -> FeedResponse:
    """A page as it goes over the wire."""
    frozen = page.frozen
    source: FeedSource = "timeline" if frozen.source == TIMELINE else "cached" if page.cache_hit else "ranked"
    return FeedResponse(
        posts=_posts(page, query),
        cursor=page.cursor,
        total_count=len(frozen),
        cache_hit=page.cache_hit,
        algo="timeline" if query.algo == TIMELINE else "ch",
        source=source,
        fallback=page.fallback,
        reason=page.reason or None,
        cold_start=frozen.cold,
        as_of=rfc3339(frozen.as_of_ms),
        newer=page.newer,
        response_time_ms=took_ms,
        age_ms=max(0, now_ms - frozen.as_of_ms),
    )


def _posts(page: Page, query: FeedQuery) -> list[FeedPost]:
    frozen, rows = page.frozen, np.array(page.cut.rows, dtype=np.int64)
    ranked = frozen.as_ranked() if query.explain else None
    part = frozen.candidates.take(rows)
    columns = (part.post_id, part.author_id, part.created_ms, part.likes, part.comments, part.shares, part.exposures,
               part.sources, frozen.scores.total[rows], frozen.seen[rows], frozen.propensity[rows], rows)  # fmt: skip
    places = zip(*(column.tolist() for column in columns), page.cut.relaxed, strict=True)
    return [
        FeedPost(
            post_id, author_id, rfc3339(created_ms), likes, comments, shares, exposures, score, _SOURCES[sources],
            position, relaxed=relaxed, seen=seen, propensity=propensity,
            explanation=msgspec.UNSET if ranked is None else explain(ranked, row).as_payload(),
        )
        for position, (
            post_id, author_id, created_ms, likes, comments, shares, exposures, sources, score, seen, propensity, row,
            relaxed,
        ) in enumerate(places, page.first_position)
    ]  # fmt: skip


def _record(request: Request, user_id: int, query: FeedQuery, body: FeedResponse, page: Page) -> None:
    algo = TIMELINE if page.reason == SWITCHED_OFF else query.algo  # ch with a timeline counts as fallback
    _requests(algo, body.source, str(body.cache_hit).lower()).inc()
    _seconds(body.source).observe(body.response_time_ms / 1000)
    if page.cut.removed:
        metrics.POSTS_REMOVED.inc(page.cut.removed)
    tell(
        request.scope, user_id=user_id, algo=query.algo, limit=query.limit, posts=len(body.posts),
        cache_hit=body.cache_hit, source=body.source, fallback=body.fallback,
    )  # fmt: skip
    if drawn := [(post.post_id, post.propensity) for post in body.posts if post.propensity]:
        tell(request.scope, explored=drawn)
