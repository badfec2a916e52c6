"""GET /api/v1/feed answered from this process, the whole of it on one screen.

Everything holds here that holds on the long way: the token is a verified one, the page's rules are known to be what
they were when it was made (``Copies``), an old list is ranked anew behind the answer, the request is counted and
logged. While it is not known what changed since, its rules are read anew, and the page is shown if they still hold.
What needs more than a look (a token not seen before, a cursor, ``explain``, a header that asks for more) goes
on to the app. While that is full, it is refused here: who is refused costs a tenth of who is refused there.
"""

from __future__ import annotations

import re
from functools import lru_cache
from random import getrandbits
from typing import NamedTuple

import structlog
from starlette.datastructures import State
from starlette.types import ASGIApp, Receive, Scope, Send

from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.feed.copies import Copy
from nova_feed.ops.access import Hit, Refused
from nova_feed.serving.admit import AGAIN_S, KIND, Crowd
from nova_feed.serving.charge import fields
from nova_feed.serving.headers import DEFAULTS, RawHeaders
from nova_feed.serving.problems import MEDIA_TYPE, body_of
from nova_feed.serving.query import LIMIT, MOST
from nova_feed.serving.state import ApiState

log = structlog.get_logger(__name__)
PATH = "/api/v1/feed"
TAIL = b'"newer":null,"response_time_ms":0.0,"age_ms":0}'  # how a page's JSON ends before these are known
_QUERY = re.compile(rb"(?:algo=ch(?:&|$))?(?:limit=([1-9][0-9]{0,2}))?")
_ESCAPED = frozenset('"\\')  # in JSON
_PLAIN = frozenset({b"*/*", b"application/json"})
_OWN = ((b"content-type", b"application/json"), (b"cache-control", b"private, no-store"), (b"x-feed-source", b"cached"))
_HEADERS = [*_OWN, *(item for item in DEFAULTS if item[0] != b"cache-control")]
_REFUSAL = [(b"content-type", MEDIA_TYPE.encode()), (b"retry-after", b"%d" % AGAIN_S), *DEFAULTS]


class _Asked(NamedTuple):
    authorization: str
    request_id: str
    limit: int


class _Found(NamedTuple):
    state: ApiState
    copy: Copy
    rate: RawHeaders


class HotFeed:
    """Around the whole app: what a framework does around a request takes as long as a tenth of a page. ``holds.api`` is
    the process' ApiState."""

    def __init__(self, app: ASGIApp, holds: State, clock: Clock, crowd: Crowd) -> None:
        self._app, self._holds, self._crowd = app, holds, crowd
        self._now_ms, self._monotonic = clock.now_ms, clock.monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        start = self._monotonic()
        asked = _read(scope) if scope["type"] == "http" and scope["path"] == PATH else None
        found = None
        try:
            if asked is not None:
                found = await self._find(self._holds.api, asked)
        except Exception:  # the long way answers, or says so
            log.exception("hot.failed", path=PATH)
        if asked is not None and found is None and self._crowd.full:
            await self._refuse(send, asked.request_id, start)
            return
        if asked is None or found is None:
            await self._app(scope, receive, send)
            return
        copy, now_ms = found.copy, self._now_ms()
        age_ms = max(0, now_ms - copy.as_of_ms)
        copy.answered += 1
        found.state.feed.renew_if_old(copy.viewer_id, copy.as_of_ms, copy.answered)
        took_ms = round((self._monotonic() - start) * 1000, 2)
        newer = b"null" if copy.newer is None else b"%d" % copy.newer
        body = b'%b"newer":%b,"response_time_ms":%.2f,"age_ms":%d}' % (copy.body, newer, took_ms, age_ms)
        own = [(b"content-length", b"%d" % len(body)), (b"x-feed-age", b"%d" % (age_ms // 1000)),
               (b"x-request-id", asked.request_id.encode())]  # fmt: skip
        await send({"type": "http.response.start", "status": 200, "headers": _HEADERS + found.rate + own})
        await send({"type": "http.response.body", "body": body})
        seconds = self._monotonic() - start
        found.state.access.add(Hit(asked.request_id, copy.viewer_id, copy.limit, len(copy.rows.posts), seconds, now_ms))

    async def _refuse(self, send: Send, request_id: str, start: float) -> None:
        body = body_of(503, KIND, self._crowd.why, PATH, request_id)
        own = [(b"content-length", b"%d" % len(body)), (b"x-request-id", request_id.encode())]
        await send({"type": "http.response.start", "status": 503, "headers": _REFUSAL + own})
        await send({"type": "http.response.body", "body": body})
        self._holds.api.access.refuse(Refused(request_id, self._monotonic() - start, self._now_ms()))

    async def _find(self, state: ApiState, asked: _Asked) -> _Found | None:
        """The page that answers, if it is here and good and the caller has a request left."""
        principal = state.verifier.known(asked.authorization)
        copy = None if principal is None else state.copies.doubtful(principal.user_id, asked.limit)
        if principal is None or copy is None:
            return None
        if state.copies.due(copy) and not (state.copies.stands_in(copy) or await _may_answer(state, copy)):
            return None
        if not (state.copies.known(copy) or await self._rules_hold(state, copy)):
            return None
        limit = state.limits.reads_of(principal)
        verdict = limit.take_now(str(principal.user_id))
        return None if verdict is None else _Found(state, copy, fields(limit.name, verdict))

    async def _rules_hold(self, state: ApiState, copy: Copy) -> bool:
        """Read the rules of a copy anew, as one of the crowd; one that they forbid is dropped."""
        if self._crowd.full:
            return False
        self._crowd.enter()
        try:
            return await state.copies.reread(copy, state.feed.rules)
        finally:
            self._crowd.leave()


async def _may_answer(state: ApiState, copy: Copy) -> bool:
    """Whether Valkey says that the copy's list answers still, or that the copy stands in, or does not say."""
    asked = state.clock.monotonic()
    try:
        roles = await state.feed.roles([(copy.viewer_id, copy.list_id)])
    except StoreUnavailableError:
        return state.copies.may_wait(copy)
    state.copies.judge([copy], roles, asked)
    return state.copies.holds(copy)


def _read(scope: Scope) -> _Asked | None:
    """What is asked, if it is the plain thing: a first page, by one bearer, with nothing to negotiate."""
    limit = _limit(scope["query_string"])
    if limit is None or scope["method"] != "GET":
        return None
    authorization = request_id = None
    for name, value in scope["headers"]:
        if name == b"authorization":
            if authorization is not None:
                return None
            authorization = value.decode("latin-1")
        elif name == b"x-request-id":
            request_id = value.decode("latin-1")
            if not (len(value) <= 64 and request_id.isascii() and request_id.isprintable()) or _ESCAPED & {*request_id}:
                return None
        elif name in {b"origin", b"if-none-match", b"range"} or (name == b"accept" and value not in _PLAIN):
            return None
    if authorization is None:
        return None
    # A name for the logs, not a secret: the system's own dice take 2 us, a tenth of all this.
    return _Asked(authorization, request_id or f"{getrandbits(64):016x}", limit)


@lru_cache(maxsize=256)
def _limit(query: bytes) -> int | None:
    """The limit of a plain query, None for any other."""
    found = _QUERY.fullmatch(query)
    if found is None or query.endswith(b"&"):
        return None
    limit = int(found[1] or LIMIT)
    return limit if limit <= MOST else None
