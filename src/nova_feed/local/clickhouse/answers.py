"""Results and exceptions as ClickHouse puts them on the wire."""

from __future__ import annotations

import json
from collections.abc import Mapping

from nova_feed.local.clickhouse.connection import Answer
from nova_feed.local.clickhouse.errors import ClickHouseError

SERVER_NAME = "nova-feed"
_CONTENT_TYPES = {
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
    "TSV": "text/tab-separated-values; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8; header=absent",
    "CSVWithNames": "text/csv; charset=UTF-8; header=present",
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "Native": "application/octet-stream",
    "RowBinary": "application/octet-stream",
    "RowBinaryWithNamesAndTypes": "application/octet-stream",
    "Arrow": "application/octet-stream",
    "ArrowStream": "application/octet-stream",
    "Parquet": "application/octet-stream",
}
BINARY_FORMATS = frozenset(name for name, kind in _CONTENT_TYPES.items() if kind == "application/octet-stream")


def common_headers(query_id: str) -> dict[str, str]:
    """What every answer to a query carries."""
    return {
        "X-ClickHouse-Query-Id": _one_line(query_id),
        "X-ClickHouse-Server-Display-Name": SERVER_NAME,
        "X-ClickHouse-Timezone": "UTC",
    }


def result_headers(query_id: str, answer: Answer, output_format: str | None, *, wrote: bool) -> Mapping[str, str]:
    """The headers of a result; ``output_format`` is None for a statement without one, ``wrote`` says it inserted."""
    headers = common_headers(query_id)
    headers["X-ClickHouse-Summary"] = _summary(answer, wrote=wrote)
    headers["Content-Type"] = _CONTENT_TYPES.get(output_format or "", "text/plain; charset=UTF-8")
    if output_format is not None:
        headers["X-ClickHouse-Format"] = output_format
    return headers


def error_headers(query_id: str, error: ClickHouseError) -> Mapping[str, str]:
    """The headers of an exception."""
    code = {"X-ClickHouse-Exception-Code": str(error.code), "Content-Type": "text/plain; charset=UTF-8"}
    return common_headers(query_id) | code


def _summary(answer: Answer, *, wrote: bool) -> str:
    values = {
        "read_rows": answer.rows if wrote else answer.read_rows,
        "read_bytes": answer.bytes if wrote else answer.read_bytes,
        "written_rows": answer.rows if wrote else 0,
        "written_bytes": answer.bytes if wrote else 0,
        "total_rows_to_read": 0,
        "result_rows": answer.rows,
        "result_bytes": answer.bytes,
        "elapsed_ns": int(answer.elapsed_s * 1e9),
    }
    return json.dumps({key: str(value) for key, value in values.items()})


def _one_line(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:256]
