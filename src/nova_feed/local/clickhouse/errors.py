"""ClickHouse's exceptions as it writes them on the wire: a code, a name, a text, an HTTP status."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import Self

from nova_feed.errors import NovaError

VERSION = "26.1.2.1"
_CODE = re.compile(r"Code: (\d+)\. DB::Exception: ")


class Code(IntEnum):
    """The codes this server raises by itself. The engine raises many more."""

    CANNOT_READ_ALL_DATA = 33
    NOT_IMPLEMENTED = 48
    SYNTAX_ERROR = 62
    CANNOT_PARSE_NUMBER = 72
    UNKNOWN_SETTING = 115
    TOO_MANY_SIMULTANEOUS_QUERIES = 202
    CANNOT_DECOMPRESS = 271
    TOO_MANY_ROWS_OR_BYTES = 396
    UNKNOWN_QUERY_PARAMETER = 456
    ACCESS_DENIED = 497
    AUTHENTICATION_FAILED = 516
    UNKNOWN_EXCEPTION = 1002


class ClickHouseError(NovaError):
    """What ClickHouse answers instead of a result. ``text`` is the answer's body."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text

    @classmethod
    def of(cls, code: Code, message: str) -> Self:
        """An exception of the server itself."""
        return cls(code, f"Code: {code.value}. DB::Exception: {message}. ({code.name}) (version {VERSION})")

    @classmethod
    def from_engine(cls, text: str) -> Self:
        """The engine's exception from the text chdb raises; text without a code becomes UNKNOWN_EXCEPTION."""
        match = _CODE.search(text)
        if match is None:
            return cls.of(Code.UNKNOWN_EXCEPTION, text.strip())
        return cls(int(match[1]), f"{text[match.start() :].strip()} (version {VERSION})")


# Source: ClickHouse, src/Server/HTTP/exceptionCodeToHTTPStatus.cpp. What is not here is 500.
_STATUS = {
    400: (
        6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 427, 441, 675, 676,
    ),
    401: (194,),
    403: (192, 193, 497, 512, 516),
    404: (46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511),
    408: (159,),
    411: (381,),
    413: (229,),
    501: (48,),
    503: (76, 209, 439),
}  # fmt: skip
_STATUS_OF_CODE = {code: status for status, codes in _STATUS.items() for code in codes}


def http_status(code: int) -> int:
    """The HTTP status ClickHouse answers with an exception of this code."""
    return _STATUS_OF_CODE.get(code, 500)
