"""ClickHouse SQL cut into tokens, as far as a server must understand it: what is text, what is comment, what is code.

Works on bytes, because a request's body is bytes: text in it need not be UTF-8.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import Enum, auto
from typing import NamedTuple


class Kind(Enum):
    """What a token is. White space, comments, numbers and operators are not reported."""

    WORD = auto()  # keyword or bare identifier; ``text`` is upper case
    QUOTED = auto()  # string, quoted identifier or heredoc
    PARAMETER = auto()  # the head of {name:Type}; ``text`` is the name
    OPEN = auto()
    CLOSE = auto()
    SEMICOLON = auto()
    DOT = auto()
    OTHER = auto()  # any further single byte


class Token(NamedTuple):
    """One token: ``start`` and ``end`` are offsets into the bytes that were cut."""

    kind: Kind
    text: bytes
    start: int
    end: int


# A string that never ends reaches to the end of the input: the engine then names the error.
_TOKEN = re.compile(
    rb"""
      (?P<skip>    [\s,0-9+*<>=!%]+ | --[^\n]* | \#[ !][^\n]* | /\*.*?(?:\*/|\Z) )
    | (?P<word>    [A-Za-z_][A-Za-z0-9_$]* )
    | (?P<quoted>  '(?:[^'\\]|\\.|'')*(?:'|\Z) | "(?:[^"\\]|\\.|"")*(?:"|\Z) | `(?:[^`\\]|\\.|``)*(?:`|\Z)
                 | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
    | (?P<parameter> \{\s*(?P<name>[A-Za-z_]\w*)\s*: )
    | (?P<open>\() | (?P<close>\)) | (?P<semicolon>;) | (?P<dot>\.)
    | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)
_KINDS = {
    "word": Kind.WORD, "quoted": Kind.QUOTED, "parameter": Kind.PARAMETER, "open": Kind.OPEN, "close": Kind.CLOSE,
    "semicolon": Kind.SEMICOLON, "dot": Kind.DOT, "other": Kind.OTHER,
}  # fmt: skip


def tokens(sql: bytes) -> Iterator[Token]:
    """Yield the tokens of ``sql`` in order. Lazy: a caller that stops early never looks at what follows."""
    position = 0
    while match := _TOKEN.match(sql, position):
        position = match.end()
        group = match.lastgroup
        if group is not None and (kind := _KINDS.get(group)) is not None:
            yield Token(kind, _text(kind, match), match.start(), match.end())


def _text(kind: Kind, match: re.Match[bytes]) -> bytes:
    if kind is Kind.PARAMETER:
        return match["name"]
    return match[0].upper() if kind is Kind.WORD else match[0]
