"""Content-Encoding undone piece by piece: gzip, deflate, lz4 and zstd, any number of members or frames in a row."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from nova_feed.local.clickhouse.errors import ClickHouseError, Code

_STEP_BYTES = 1 << 20  # a small bomb must not become a large piece


class _Member(Protocol):
    """One gzip member or lz4/zstd frame."""

    @property
    def eof(self) -> bool: ...

    def feed(self, data: bytes) -> Iterator[bytes]: ...

    def rest(self) -> bytes: ...


class Decoder:
    """Undoes one body's encoding. ``whole`` tells whether the bytes fed so far end where they may end."""

    def __init__(self, encoding: str) -> None:
        """Raises ClickHouseError (NOT_IMPLEMENTED) for an encoding that is not known here."""
        make = _MEMBERS.get(encoding)
        if make is None:
            raise ClickHouseError.of(Code.NOT_IMPLEMENTED, f"Unknown Content-Encoding {encoding}")
        self._make, self._encoding = make, encoding
        self._member: _Member | None = None

    @property
    def whole(self) -> bool:
        return self._member is None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what ``data`` decodes to, in pieces of 1 MiB at most.

        Raises ClickHouseError (CANNOT_DECOMPRESS) when it is damaged.
        """
        try:
            while data:
                self._member = self._member or self._make()
                yield from self._member.feed(data)
                if not self._member.eof:
                    return
                data, self._member = self._member.rest(), None
        except (zlib.error, RuntimeError, _zstd().ZstdError) as error:  # lz4 raises RuntimeError
            raise ClickHouseError.of(
                Code.CANNOT_DECOMPRESS, f"The body is not valid {self._encoding}: {error}"
            ) from error


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._object = zlib.decompressobj(window_bits)

    @property
    def eof(self) -> bool:
        return self._object.eof

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data and not self._object.eof:  # after the end zlib hands out the same tail for ever
            yield self._object.decompress(data, _STEP_BYTES)
            data = self._object.unconsumed_tail

    def rest(self) -> bytes:
        return self._object.unused_data


class _Frame:
    def __init__(self, decompressor: Any) -> None:
        self._object = decompressor

    @property
    def eof(self) -> bool:
        return bool(self._object.eof)

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield self._object.decompress(data, _STEP_BYTES)
        while not self._object.eof and not self._object.needs_input:
            yield self._object.decompress(b"", _STEP_BYTES)

    def rest(self) -> bytes:
        return self._object.unused_data or b""


def _zstd() -> Any:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def _lz4_frame() -> _Member:
    from lz4.frame import LZ4FrameDecompressor  # type: ignore[import-untyped]

    return _Frame(LZ4FrameDecompressor())


_MEMBERS: dict[str, Callable[[], _Member]] = {
    "gzip": lambda: _Zlib(31),
    "deflate": lambda: _Zlib(15),
    "lz4": _lz4_frame,
    "zstd": lambda: _Frame(_zstd().ZstdDecompressor()),
}
