"""POST /api/v1/events."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from nova_feed.ingest.validate import Invalid, Valid, parse, validate
from nova_feed.ops import metrics
from nova_feed.serving.auth import Principal
from nova_feed.serving.body import read_body
from nova_feed.serving.observe import tell
from nova_feed.serving.problems import problem
from nova_feed.serving.schemas import EventResult, EventsResponse
from nova_feed.serving.state import ApiState, principal_of, state_of

LARGEST_BODY = 256 * 1024


async def events(request: Request) -> Response:
    """Take up to 100 events. Each is judged alone; what is accepted is committed before the answer."""
    state = state_of(request)
    principal = await principal_of(request)
    items = parse(await read_body(request, LARGEST_BODY))
    results = await _accept(state, principal, items)
    body = EventsResponse(
        received=len(results),
        accepted=sum(result.status == "accepted" for result in results),
        deduped=sum(result.status == "duplicate" for result in results),
        invalid=sum(result.status == "invalid" for result in results),
        results=results,
    )
    for result in results:
        metrics.EVENTS.labels(result.status).inc()
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
    invalid = [verdict for verdict in judged if isinstance(verdict, Invalid)]
    first: dict[object, Valid] = {}
    for verdict in judged:
        if isinstance(verdict, Valid):
            first.setdefault(verdict.key, verdict)
    known, strangers = await state.acceptor.authors(list(first.values())) if first else ([], [])
    results = {
        verdict.index: EventResult(verdict.index, "invalid", verdict.reason) for verdict in (*invalid, *strangers)
    }
    if known:
        accepted = await state.acceptor.accept(str(principal.user_id), known)
        state.publisher.publish(accepted)
        for (item, _), seq in zip(known, accepted.seqs, strict=True):
            results[item.index] = EventResult(item.index, "accepted" if seq else "duplicate")
    for verdict in judged:  # repetitions within the batch share the fate of the first, but are counted once
        if isinstance(verdict, Valid) and verdict.index not in results:
            fate = results[first[verdict.key].index]
            same = fate if fate.status == "invalid" else EventResult(0, "duplicate")
            results[verdict.index] = EventResult(verdict.index, same.status, same.reason)
    return [results[i] for i in range(len(items))]
