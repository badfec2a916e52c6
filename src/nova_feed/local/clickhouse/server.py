"""One HTTP request from beginning to end: who asks, what is asked, run it, answer."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from nova_feed.local.clickhouse.access import Access
from nova_feed.local.clickhouse.answers import error_headers, result_headers
from nova_feed.local.clickhouse.body import Body
from nova_feed.local.clickhouse.connection import Answer, Work
from nova_feed.local.clickhouse.engine import Engine
from nova_feed.local.clickhouse.errors import ClickHouseError, Code, http_status
from nova_feed.local.clickhouse.insert import from_file
from nova_feed.local.clickhouse.queries import QueryLog
from nova_feed.local.clickhouse.request import Request, read
from nova_feed.local.clickhouse.statement import Statement, analyse

_log = logging.getLogger(__name__)
_FORM_BYTES = 16 << 20
_SLICE_BYTES = 1 << 18
_KILLS, _KILL_EVERY_S = 5, 0.5
_SLOW_MS = 500.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may cost, in bytes."""

    result: int = 256 << 20
    body: int = 1 << 30


class Server:
    """The HTTP interface of ``engine``; ``folder`` holds the data of INSERTs while they run. ``failed(text)`` is told
    what the engine says of each query that fails."""

    def __init__(
        self, engine: Engine, folder: Path, access: Access, limits: Limits, failed: Callable[[str], None]
    ) -> None:
        self._engine, self._folder, self._access, self._limits = engine, folder, access, limits
        self._failed = failed
        self._cancelling: set[asyncio.Task[None]] = set()
        self._queries = QueryLog()

    def app(self) -> web.Application:
        """The routes: ``/ping``, ``/`` for queries, and ``/queries``: what was asked lately."""
        app = web.Application(client_max_size=_FORM_BYTES)
        app.router.add_get("/ping", _ok)
        app.router.add_get("/", self._get)
        app.router.add_post("/", self._query)
        app.router.add_get("/queries", self._asked)
        return app

    async def _get(self, http: web.Request) -> web.StreamResponse:
        return await (self._query(http) if "query" in http.query else _ok(http))

    async def _asked(self, http: web.Request) -> web.StreamResponse:
        try:
            self._access.check(http.headers, http.query)
            slow_ms = float(http.query.get("slow_ms", _SLOW_MS))
        except ClickHouseError as error:
            return _refusal("", error)
        except ValueError as error:
            return _refusal("", ClickHouseError.of(Code.CANNOT_PARSE_NUMBER, f"slow_ms: {error}"))
        return web.json_response(await asyncio.to_thread(self._queries.told, slow_ms))

    async def _query(self, http: web.Request) -> web.StreamResponse:
        query_id = http.query.get("query_id") or str(uuid.uuid4())
        try:
            self._access.check(http.headers, http.query)
            headers, body = await self._answer(http, query_id)
        except ClickHouseError as error:
            self._failed(error.text)
            return _refusal(query_id, error)
        except web.RequestPayloadError as error:
            return _refusal(query_id, ClickHouseError.of(Code.CANNOT_READ_ALL_DATA, f"The body is cut off: {error}"))
        except Exception:  # noqa: BLE001  the process' edge: one request's bug must not show as a dropped connection
            _log.exception("query %s failed", query_id)
            return _refusal(
                query_id, ClickHouseError.of(Code.UNKNOWN_EXCEPTION, "Internal error: see the server's log")
            )
        return await _send(http, headers, body)

    async def _answer(self, http: web.Request, query_id: str) -> tuple[Mapping[str, str], bytes]:
        form = await _form(http)
        request = read({**http.query, **(form or {})}, http.headers, self._limits.result, get=http.method == "GET")
        chunks = http.content.iter_any() if form is None else _nothing()
        body = Body(chunks, http.headers.get("Content-Encoding", ""), self._limits.body)
        text = request.query + await body.head()
        statement = analyse(text)
        _check(statement, request, text, ended=body.ended)
        answer = await self._run(statement, request, text, body)
        self._queries.add(text if statement.data is None else text[: statement.data.start], answer)
        returns = statement.reads or bool(answer.body)
        output_format = (statement.format or request.default_format) if returns else None
        return result_headers(query_id, answer, output_format, wrote=statement.data is not None), answer.body

    async def _run(self, statement: Statement, request: Request, text: bytes, body: Body) -> Answer:
        tag = f"/*{uuid.uuid4().hex}*/"
        if statement.data is None:
            future = self._submit(tag, text, statement, request)
        else:
            path = await body.save(text[statement.data.start :], self._folder)
            try:
                future = self._submit(tag, from_file(text, statement.data, path), statement, request)
            except ClickHouseError:
                path.unlink()
                raise
            future.add_done_callback(lambda _: path.unlink())
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            if statement.reads:
                self._cancel(tag, future)
            raise

    def _submit(self, tag: str, sql: bytes, statement: Statement, request: Request) -> Future[Answer]:
        state = request.state_for(statement)
        return self._engine.submit(Work(tag.encode() + sql, state, request.default_format, statement.leaves_state))

    def _cancel(self, tag: str, future: Future[Answer]) -> None:
        task = asyncio.create_task(self._kill(tag, future))
        self._cancelling.add(task)
        task.add_done_callback(self._cancelling.discard)

    async def _kill(self, tag: str, future: Future[Answer]) -> None:
        for _ in range(_KILLS):  # it may have left the queue, but not yet have reached the engine's list
            if future.done():
                return
            await asyncio.to_thread(self._engine.cancel, tag)
            await asyncio.sleep(_KILL_EVERY_S)


async def _ok(_: web.Request) -> web.Response:
    return web.Response(text="Ok.\n")


async def _form(http: web.Request) -> Mapping[str, str] | None:
    """The fields of a multipart form, or None when the body is not one.

    (A body of type x-www-form-urlencoded is a query as it stands: ``curl -d`` sends it so, and ClickHouse takes it.)
    Raises ClickHouseError (NOT_IMPLEMENTED) for a file in it: ClickHouse's external data.
    """
    if http.content_type != "multipart/form-data":
        return None
    fields = await http.post()
    texts = {name: value for name, value in fields.items() if isinstance(value, str)}
    if len(texts) < len(fields):
        raise ClickHouseError.of(Code.NOT_IMPLEMENTED, "External data are not supported by the embedded ClickHouse")
    return texts


async def _nothing() -> AsyncIterator[bytes]:
    nothing: tuple[bytes, ...] = ()
    for chunk in nothing:
        yield chunk


def _check(statement: Statement, request: Request, text: bytes, *, ended: bool) -> None:
    size = len(text) if statement.data is None else statement.data.start
    if size > request.max_query_size or (statement.data is None and not ended):
        raise ClickHouseError.of(Code.SYNTAX_ERROR, f"Max query size exceeded: {size} > {request.max_query_size}")
    missing = sorted(statement.parameters - set(request.state.parameters))
    if missing:
        raise ClickHouseError.of(Code.UNKNOWN_QUERY_PARAMETER, f"Substitution `{missing[0]}` is not set")


def _refusal(query_id: str, error: ClickHouseError) -> web.Response:
    body, headers = error.text.encode() + b"\n", error_headers(query_id, error)
    return web.Response(status=http_status(error.code), body=body, headers=headers)


async def _send(http: web.Request, headers: Mapping[str, str], body: bytes) -> web.StreamResponse:
    if len(body) <= _SLICE_BYTES:
        return web.Response(body=body, headers=headers)
    response = web.StreamResponse(headers={**headers, "Content-Length": str(len(body))})
    await response.prepare(http)
    for start in range(0, len(body), _SLICE_BYTES):  # a slow reader must not make the transport copy it all
        await response.write(body[start : start + _SLICE_BYTES])
    return response
