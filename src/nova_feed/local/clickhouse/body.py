"""A request's body: its first bytes in memory, and for an INSERT its data in a file the engine can read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from tempfile import NamedTemporaryFile

from nova_feed.local.clickhouse.encoding import Decoder
from nova_feed.local.clickhouse.errors import ClickHouseError, Code

HEAD_BYTES = 1 << 20


class Body:
    """Reads a body once, front to back, decompressed, ``limit`` bytes at most.

    Every method raises ClickHouseError: CANNOT_DECOMPRESS for a damaged or cut stream, TOO_MANY_ROWS_OR_BYTES beyond
    the limit, NOT_IMPLEMENTED for an unknown encoding.
    """

    def __init__(self, chunks: AsyncIterator[bytes], encoding: str, limit: int) -> None:
        self._pieces = _decoded(chunks, encoding, limit)
        self.ended = False

    async def head(self) -> bytes:
        """The first bytes: all of them, or at least HEAD_BYTES; ``ended`` tells which."""
        head = bytearray()
        async for piece in self._pieces:
            head += piece
            if len(head) >= HEAD_BYTES:
                return bytes(head)
        self.ended = True
        return bytes(head)

    async def save(self, start: bytes, folder: Path) -> Path:
        """Write ``start`` and all that is still unread to a new file in ``folder``. On an error no file is left."""
        with NamedTemporaryFile(dir=folder, prefix="insert-", delete=False) as file:
            path = Path(file.name)
            try:
                file.write(start)
                async for piece in self._pieces:
                    file.write(piece)
            except BaseException:
                path.unlink()  # noqa: ASYNC240  one call on a local disk
                raise
        return path


async def _decoded(chunks: AsyncIterator[bytes], encoding: str, limit: int) -> AsyncIterator[bytes]:
    decoder = None if encoding in ("", "identity") else Decoder(encoding)
    total = 0
    async for chunk in chunks:
        for piece in (chunk,) if decoder is None else decoder.feed(chunk):
            total += len(piece)
            if total > limit:
                raise ClickHouseError.of(
                    Code.TOO_MANY_ROWS_OR_BYTES, f"Limit for request body exceeded, max bytes: {limit}"
                )
            yield piece
    if decoder is not None and not decoder.whole:
        raise ClickHouseError.of(Code.CANNOT_DECOMPRESS, f"The body is cut off in the midst of its {encoding} stream")
