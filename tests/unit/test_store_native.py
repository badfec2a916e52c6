"""ClickHouse's Native format, read back from blocks written here by its definition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.store.native import parse
from tests.unit.test_ranking_candidates import law

TYPES = {
    "Int64": "<i8",
    "UInt8": "<u1",
    "UInt16": "<u2",
    "Int32": "<i4",
    "UInt64": "<u8",
    "Float64": "<f8",
    "Float32": "<f4",
}
Block = Mapping[str, tuple[str, Sequence[Any]]]


def varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def text(value: str) -> bytes:
    raw = value.encode()
    return varint(len(raw)) + raw


def written(block: Block) -> bytes:
    rows = len(next(iter(block.values()))[1]) if block else 0
    body = varint(len(block)) + varint(rows)
    for name, (kind, values) in block.items():
        body += text(name) + text(kind)
        body += b"".join(map(text, values)) if kind == "String" else np.array(values, dtype=TYPES[kind]).tobytes()
    return body


def numbers(kind: str, rows: int) -> st.SearchStrategy[Any]:
    if kind == "String":
        return st.lists(st.text(max_size=200), min_size=rows, max_size=rows)
    if kind.startswith("Float"):
        return st.lists(st.floats(width=32, allow_nan=False), min_size=rows, max_size=rows)
    info = np.iinfo(np.dtype(TYPES[kind]))
    return st.lists(st.integers(int(info.min), int(info.max)), min_size=rows, max_size=rows)


@st.composite
def answers(draw: Any) -> tuple[dict[str, str], list[Block]]:
    """The types of an answer's columns, and its blocks: all with the same columns, some without rows."""
    names = draw(st.lists(st.text(min_size=1, max_size=150), min_size=1, max_size=4, unique=True))
    kinds = {name: draw(st.sampled_from([*TYPES, "String"])) for name in names}
    sizes = draw(st.lists(st.integers(0, 5) | st.just(130), max_size=4))
    return kinds, [{name: (kind, draw(numbers(kind, rows))) for name, kind in kinds.items()} for rows in sizes]


@law
@given(answers())
def test_columns_hold_the_rows_of_all_blocks_in_order(answer: tuple[dict[str, str], list[Block]]) -> None:
    kinds, blocks = answer
    columns = parse(b"".join(map(written, blocks)))
    for name in kinds:
        assert columns[name].tolist() == [value for block in blocks for value in block[name][1]]


@law
@given(answers())
def test_a_block_without_columns_ends_an_answer_and_changes_nothing(answer: tuple[dict[str, str], list[Block]]) -> None:
    kinds, blocks = answer
    body = b"".join(map(written, blocks))
    ended = parse(body + written({}))
    assert {name: ended[name].tolist() for name in kinds} == {name: parse(body)[name].tolist() for name in kinds}


@pytest.mark.parametrize("body", [b"", written({}), written({"n": ("Int64", [])})])
def test_of_an_answer_without_rows_every_column_is_there_and_empty(body: bytes) -> None:
    columns = parse(body)
    assert columns["n"].tolist() == columns["whatever"].tolist() == []


@pytest.mark.parametrize("kind", list(TYPES))
def test_numbers_keep_their_type(kind: str) -> None:
    assert parse(written({"n": (kind, [1, 2])}))["n"].dtype == np.dtype(TYPES[kind])


@pytest.mark.parametrize(
    "kind", ["Nullable(Int64)", "DateTime64(3)", "LowCardinality(String)", "Array(Int64)", "int64"]
)
def test_a_type_that_our_queries_do_not_use_is_refused_by_name(kind: str) -> None:
    with pytest.raises(ValueError, match="cast it to a number or a String") as caught:
        parse(varint(1) + varint(1) + text("n") + text(kind) + b"\0" * 16)
    assert kind in str(caught.value)


@pytest.mark.parametrize("kind", ["Int64", "String"])
def test_an_answer_that_was_cut_off_is_never_taken_for_a_whole_one(kind: str) -> None:
    body = written({"n": (kind, ["one", "two", "three"] if kind == "String" else [1, 2, 3])})
    for end in range(1, len(body)):
        with pytest.raises(ValueError, match=r".+"):
            parse(body[:end])
