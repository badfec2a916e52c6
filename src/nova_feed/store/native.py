"""ClickHouse's Native format, as far as our queries use it: fixed-width numbers straight into NumPy, and strings.

A block is: columns and rows as varints, then per column its name, its type, and the values end to end.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_WIDTHS = {
    "Int8": "<i1", "Int16": "<i2", "Int32": "<i4", "Int64": "<i8",
    "UInt8": "<u1", "UInt16": "<u2", "UInt32": "<u4", "UInt64": "<u8", "Float32": "<f4", "Float64": "<f8",
}  # fmt: skip
_CUT_OFF = "ClickHouse's answer was cut off"


class Columns(dict[str, npt.NDArray[Any]]):
    """column name -> array, one element per row.

    Of an answer without rows every column is there, and empty: the format then names none.
    """

    def __missing__(self, name: str) -> npt.NDArray[Any]:
        return np.empty(0, dtype=np.int64)


def parse(body: bytes) -> Columns:
    """All blocks of an answer as whole columns.

    Raises ValueError for a type that our queries do not use, and for an answer that was cut off within a block.
    """
    blocks: list[dict[str, npt.NDArray[Any]]] = []
    at = 0
    while at < len(body):
        block, at = _block(body, at)
        blocks.append(block)
    full = [block for block in blocks if block and len(next(iter(block.values())))]
    if len(full) <= 1:
        return Columns(full[0] if full else blocks[0] if blocks else {})
    return Columns((name, np.concatenate([block[name] for block in full])) for name in full[0])


def _block(body: bytes, at: int) -> tuple[dict[str, npt.NDArray[Any]], int]:
    width, at = _varint(body, at)
    rows, at = _varint(body, at)
    columns: dict[str, npt.NDArray[Any]] = {}
    for _ in range(width):
        name, at = _text(body, at)
        kind, at = _text(body, at)
        columns[name], at = _values(kind, rows, body, at)
    return columns, at


def _values(kind: str, rows: int, body: bytes, at: int) -> tuple[npt.NDArray[Any], int]:
    if kind in _WIDTHS:
        dtype = np.dtype(_WIDTHS[kind])
        return np.frombuffer(body, dtype, rows, at), at + rows * dtype.itemsize
    if kind == "String":
        texts = []
        for _ in range(rows):
            text, at = _text(body, at)
            texts.append(text)
        return np.array(texts, dtype=object), at
    raise ValueError(f"a query answers a column of type {kind}: cast it to a number or a String in the query")


def _text(body: bytes, at: int) -> tuple[str, int]:
    length, at = _varint(body, at)
    if at + length > len(body):
        raise ValueError(_CUT_OFF)
    return body[at : at + length].decode("utf-8", "replace"), at + length


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(body):
        byte = body[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise ValueError(_CUT_OFF)
