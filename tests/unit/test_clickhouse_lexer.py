"""The lexer sees code where ClickHouse sees code, and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_feed.local.clickhouse.lexer import Kind, tokens


def words(sql: bytes) -> list[bytes]:
    return [token.text for token in tokens(sql) if token.kind is Kind.WORD]


@pytest.mark.parametrize(
    "hidden",
    [
        b"'%s'",
        b"'it''s %s'",
        b"'\\'%s'",
        b'"%s"',
        b"`%s`",
        b"-- %s\n",
        b"# %s\n",
        b"/* %s */",
        b"$tag$%s$tag$",
        b"$$%s$$",
    ],
)
def test_what_is_quoted_or_commented_is_not_code(hidden: bytes) -> None:
    sql = b"SELECT " + hidden % b"x; {y:UInt8} FORMAT z" + b" END"
    assert words(sql) == [b"SELECT", b"END"]
    assert not [token for token in tokens(sql) if token.kind in (Kind.SEMICOLON, Kind.PARAMETER)]


def test_a_substitution_gives_its_name() -> None:
    found = [token.text for token in tokens(b"SELECT {a:UInt8}, { b_1 : Array(String) }, {'k': 1}, {}")]
    assert found.count(b"a") == 1
    assert [t.text for t in tokens(b"{a:X} { b_1 : Y} {'k':1}") if t.kind is Kind.PARAMETER] == [b"a", b"b_1"]


@given(st.binary(max_size=200))
def test_any_bytes_are_cut_into_ordered_pieces_that_do_not_overlap(sql: bytes) -> None:
    position = 0
    for token in tokens(sql):
        assert position <= token.start < token.end <= len(sql)
        position = token.end
