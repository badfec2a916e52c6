"""An INSERT with inline data, turned into one that reads a file: a query's text cannot hold binary data."""

from __future__ import annotations

from pathlib import Path

from nova_feed.local.clickhouse.state import literal
from nova_feed.local.clickhouse.statement import Data

# All or nothing: the engine commits block by block, so the whole body has to be one block.
_ONE_BLOCK = (
    "min_insert_block_size_rows=1000000000000, min_insert_block_size_bytes=1000000000000, "
    "input_format_parallel_parsing=0, max_insert_threads=1"
)


def from_file(sql: bytes, data: Data, path: Path) -> bytes:
    """The INSERT of ``sql`` with its data taken from ``path``; ``data`` tells where they stood."""
    source = f"FROM INFILE {literal(str(path))} SETTINGS {_ONE_BLOCK}".encode()
    own_settings = sql[data.source_at : data.format_at].strip()[len(b"SETTINGS") :] if data.has_settings else b""
    settings = b"," + own_settings if own_settings else b""
    return b" ".join((sql[: data.source_at], source + settings, b"FORMAT", data.format))
