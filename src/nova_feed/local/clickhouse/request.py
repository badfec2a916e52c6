"""What a request asks: query, parameters, settings, database, format, from URL, headers and form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nova_feed.local.clickhouse.answers import BINARY_FORMATS
from nova_feed.local.clickhouse.errors import ClickHouseError, Code
from nova_feed.local.clickhouse.state import State
from nova_feed.local.clickhouse.statement import Statement

_PARAMETER = "param_"
_NOT_SETTINGS = frozenset((
    "query", "database", "default_format", "user", "password", "query_id", "quota_key", "role", "stacktrace",
    "buffer_size", "client_protocol_version", "compress", "decompress", "session_id", "session_timeout",
    "session_check", "close_session", "max_query_size",
    # Settings, but of the HTTP interface alone: the engine would only be told something new by every other request.
    "wait_end_of_query", "enable_http_compression", "http_headers_progress_interval_ms",
    "send_progress_in_http_headers", "cancel_http_readonly_queries_on_client_close",
))  # fmt: skip
_MAX_QUERY_BYTES = 262_144  # ClickHouse's default of max_query_size
_TEXT_GROWS = 4  # a column of short numbers is this much larger as text, and far more as JSON


@dataclass(frozen=True, slots=True)
class Request:
    """``query`` is what stood in the URL or the form, with an end of line; the body continues it."""

    query: bytes
    state: State
    default_format: str
    max_query_size: int
    result_limit: int

    def state_for(self, statement: Statement) -> State:
        """The state ``statement`` runs in: the one asked for, with the result held below the server's limit."""
        text = statement.reads and (statement.format or self.default_format) not in BINARY_FORMATS
        most = self.result_limit // _TEXT_GROWS if text else self.result_limit
        asked = _number(self.state.settings, "max_result_bytes", most) or most
        if asked >= most and not text:
            settings = {k: v for k, v in self.state.settings.items() if k != "max_result_bytes"}
        else:
            settings = {**self.state.settings, "max_result_bytes": str(min(asked, most))}
        return State(self.state.database, settings, self.state.parameters)


def read(fields: Mapping[str, str], headers: Mapping[str, str], result_limit: int, *, get: bool) -> Request:
    """Read a request; ``fields`` are those of the URL and of the form, if any. A GET only reads, as in ClickHouse.

    Raises ClickHouseError: NOT_IMPLEMENTED for ClickHouse's own block compression, CANNOT_PARSE_NUMBER.
    """
    if fields.get("compress", "0") != "0" or fields.get("decompress", "0") != "0":
        raise ClickHouseError.of(
            Code.NOT_IMPLEMENTED, "compress and decompress are not supported: use Content-Encoding"
        )
    settings = {k: v for k, v in fields.items() if k not in _NOT_SETTINGS and not k.startswith(_PARAMETER)}
    if get:
        settings.setdefault("readonly", "2")
    parameters = {k[len(_PARAMETER) :]: v for k, v in fields.items() if k.startswith(_PARAMETER)}
    query = fields.get("query", "")
    return Request(
        query=f"{query}\n".encode() if query else b"",
        state=State(fields.get("database") or headers.get("X-ClickHouse-Database") or "default", settings, parameters),
        default_format=fields.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated",
        max_query_size=_number(fields, "max_query_size", _MAX_QUERY_BYTES),
        result_limit=result_limit,
    )


def _number(values: Mapping[str, str], name: str, default: int) -> int:
    value = values.get(name, str(default))
    if not value.isdecimal():
        raise ClickHouseError.of(Code.CANNOT_PARSE_NUMBER, f"Cannot parse {name}: {value!r}")
    return int(value)
