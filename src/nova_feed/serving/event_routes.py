"""POST /api/v1/events."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from nova_feed.errors import InvalidInputError, StoreUnavailableError
from nova_feed.ingest.accept import Fate
from nova_feed.ingest.validate import Invalid, Valid, parse, validate
from nova_feed.model import Action
from nova_feed.ops import metrics
from nova_feed.serving.auth import Principal
from nova_feed.serving.body import read_body
from nova_feed.serving.charge import charge
from nova_feed.serving.observe import tell
from nova_feed.serving.problems import problem
from nova_feed.serving.schemas import EventResult, EventsResponse
from nova_feed.serving.state import ApiState, principal_of, state_of

LARGEST_BODY = 256 * 1024
MOST_BEHIND = 200


async def events(request: Request) -> Response:
    """Take up to 100 events. Each is judged alone; what is accepted is committed before the answer."""
    state = state_of(request)
    principal = await principal_of(request)
    limit, caller = state.limits.events_of(principal), str(principal.user_id)
    try:
        items = parse(await read_body(request, LARGEST_BODY))
    except (InvalidInputError, HTTPException):
        await charge(request, limit, caller)  # what is no batch costs one event
        raise
    await charge(request, limit, caller, len(items))
    results = await _accept(state, principal, items)
    body = EventsResponse(
        received=len(results),
        accepted=sum(result.status == "accepted" for result in results),
        deduped=sum(result.status == "duplicate" for result in results),
        conflicts=sum(result.status == "conflict" for result in results),
        invalid=sum(result.status == "invalid" for result in results),
        results=results,
    )
    for status, count in Counter(result.status for result in results).items():
        metrics.EVENTS.labels(status).inc(count)
    tell(request.scope, user_id=principal.user_id, received=body.received, accepted=body.accepted)
    if body.invalid == body.received:
        return problem(request, 400, "invalid-input", "no event is valid", results=results)
    return Response(msgspec.json.encode(body), 202, media_type="application/json")


async def _accept(state: ApiState, principal: Principal, items: list[msgspec.Raw]) -> list[EventResult]:
    now_ms = state.clock.now_ms()
    judged = [
        validate(i, item, subject_id=principal.user_id, any_user=principal.is_service, now_ms=now_ms)
        for i, item in enumerate(items)
    ]
    first: dict[object, Valid] = {}
    for verdict in judged:
        if isinstance(verdict, Valid):
            first.setdefault(verdict.key, verdict)
    known, strangers = await state.acceptor.authors(list(first.values())) if first else ([], [])
    refused = {item.index: item for item in (*judged, *strangers) if isinstance(item, Invalid)}
    fates: dict[int, Fate] = {}
    if known:
        accepted, known_fates = await state.acceptor.accept(known)
        if accepted is not None:
            state.publisher.publish(accepted)
            _mark_seen(state, [item for item, _ in known], now_ms)
            for item, _ in known:
                if item.event.action == Action.HIDE:
                    state.copies.drop(item.user_id)
        fates = {item.index: fate for (item, _), fate in zip(known, known_fates, strict=True)}
    return [_result(verdict, first, refused, fates) for verdict in judged]


def _mark_seen(state: ApiState, items: list[Valid], now_ms: int) -> None:
    """An impression is what makes a post seen. Behind the answer; without Valkey a post may be shown again."""
    pairs = {(item.user_id, item.event.post_id) for item in items if item.event.action == Action.IMPRESSION}
    if pairs and len(state.behind) < MOST_BEHIND:
        task = asyncio.create_task(_marked(state, pairs, now_ms))
        state.behind.add(task)
        task.add_done_callback(state.behind.discard)


async def _marked(state: ApiState, pairs: set[tuple[int, int]], now_ms: int) -> None:
    with contextlib.suppress(StoreUnavailableError):
        await state.seen.mark(pairs, now_ms)


def _result(
    verdict: Valid | Invalid, first: dict[object, Valid], refused: dict[int, Invalid], fates: dict[int, Fate]
) -> EventResult:
    """An item's own fate, or that of the first item with its key: what is sent twice in a batch is accepted once."""
    if isinstance(verdict, Invalid):
        return EventResult(verdict.index, "invalid", verdict.reason)
    model = first[verdict.key]
    if model.index in refused:
        return EventResult(verdict.index, "invalid", refused[model.index].reason)
    fate = fates[model.index]
    if verdict is not model:
        fate = "conflict" if verdict.digest != model.digest or fate == "conflict" else "duplicate"
    reason = "event_id: was sent before with another body; that one counts" if fate == "conflict" else None
    return EventResult(verdict.index, fate, reason)
