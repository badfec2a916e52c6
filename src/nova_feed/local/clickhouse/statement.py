"""What the server must know about a statement before the engine sees it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from nova_feed.local.clickhouse.errors import ClickHouseError, Code
from nova_feed.local.clickhouse.lexer import Kind, Token, tokens

_CACHED_BYTES = 16_384
_READS = frozenset((b"SELECT", b"WITH", b"SHOW", b"DESCRIBE", b"DESC", b"EXPLAIN", b"EXISTS", b"CHECK", b"FROM"))
_NO_DATA_AFTER = frozenset((b"SELECT", b"WITH", b"WATCH", b"FROM"))


@dataclass(frozen=True, slots=True)
class Data:
    """Where an INSERT's inline data start, and where a FROM INFILE belongs instead."""

    source_at: int  # the offset at which FROM INFILE goes: before SETTINGS, FORMAT or VALUES
    has_settings: bool
    format_at: int  # the offset of FORMAT or VALUES: the statement's end without data
    format: bytes
    start: int  # the offset of the first byte of data


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. ``format`` is the output format it names; ``data`` is set for an INSERT with inline data."""

    verb: bytes
    parameters: frozenset[str]
    format: str | None
    data: Data | None
    leaves_state: bool  # SET, USE, TEMPORARY: the connection is another one afterwards

    @property
    def reads(self) -> bool:
        """Whether the statement only reads, so that a client that left may be taken at its word."""
        return self.verb in _READS


def analyse(sql: bytes) -> Statement:
    """Understand ``sql``.

    Raises ClickHouseError (SYNTAX_ERROR) when it holds no statement or more than one.
    """
    # The same few parametrised texts come again and again; a cache of huge ones would be memory for nothing.
    return _remembered(sql) if len(sql) <= _CACHED_BYTES else _analyse(sql)


def _analyse(sql: bytes) -> Statement:
    found: list[Token] = []
    outer: list[Token] = []
    depth = 0
    for token in tokens(sql):
        depth += (token.kind is Kind.OPEN) - (token.kind is Kind.CLOSE)
        found.append(token)
        if depth == 0:
            outer.append(token)
            if (data := _inline_data(sql, outer)) is not None:
                return Statement(b"INSERT", _parameters(found), None, data, leaves_state=False)
    words = [token.text for token in _single(found) if token.kind is Kind.WORD]
    verb = words[0] if words else b""
    leaves_state = verb in (b"SET", b"USE") or b"TEMPORARY" in words[:6]
    return Statement(verb, _parameters(found), _output_format(sql, outer), None, leaves_state)


_remembered = lru_cache(maxsize=512)(_analyse)


def _single(found: list[Token]) -> list[Token]:
    end = next((i for i, token in enumerate(found) if token.kind is Kind.SEMICOLON), len(found))
    if any(token.kind is not Kind.SEMICOLON for token in found[end:]):
        raise ClickHouseError.of(Code.SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed)")
    if end == 0:
        raise ClickHouseError.of(Code.SYNTAX_ERROR, "Syntax error: Empty query")
    return found[:end]


def _parameters(found: Iterable[Token]) -> frozenset[str]:
    return frozenset(token.text.decode() for token in found if token.kind is Kind.PARAMETER)


def _output_format(sql: bytes, outer: list[Token]) -> str | None:
    """The word after the last FORMAT, when nothing but SETTINGS follows it."""
    for i in range(len(outer) - 2, -1, -1):
        if outer[i].text == b"FORMAT" and outer[i].kind is Kind.WORD:
            named, after = outer[i + 1], outer[i + 2 : i + 3]
            ends = not after or after[0].kind is Kind.SEMICOLON or after[0].text == b"SETTINGS"
            return sql[named.start : named.end].decode() if ends and named.kind is Kind.WORD else None
    return None


def _inline_data(sql: bytes, outer: list[Token]) -> Data | None:
    """The data of an INSERT, when the last token is what comes right before them."""
    last = outer[-1]
    shortest = 3  # INSERT, a table, VALUES
    if outer[0].text != b"INSERT" or len(outer) < shortest or last.kind is not Kind.WORD:
        return None
    if _names_table(outer, len(outer) - 1):
        return None
    if any(token.text in _NO_DATA_AFTER and token.kind is Kind.WORD for token in outer):
        return None
    settings_at = next((token.start for token in outer[2:] if token.text == b"SETTINGS"), None)
    if last.text == b"VALUES":
        return _data(last.start, settings_at, b"Values", last.end)
    if outer[-2].text == b"FORMAT" and not _names_table(outer, len(outer) - 2):
        return _data(outer[-2].start, settings_at, sql[last.start : last.end], _after_format(sql, last.end))
    return None


def _names_table(outer: list[Token], i: int) -> bool:
    return outer[i - 1].text in (b"INTO", b"TABLE", b"FUNCTION", b".") if i else False


def _data(format_at: int, settings_at: int | None, name: bytes, start: int) -> Data:
    return Data(format_at if settings_at is None else settings_at, settings_at is not None, format_at, name, start)


def _after_format(sql: bytes, position: int) -> int:
    """Blanks and one end of line may stand between the format and the data, as in ClickHouse's ParserInsertQuery."""
    line = sql[position : position + 256].lstrip(b" \t\f")
    blanks = min(len(sql) - position, 256) - len(line)
    return position + blanks + (2 if line[:2] == b"\r\n" else 1 if line[:1] in (b"\r", b"\n") and line else 0)
