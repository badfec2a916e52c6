"""Request bodies: JSON only, counted while they are read and while they are inflated, within a deadline."""

from __future__ import annotations

import asyncio
import zlib

from starlette.exceptions import HTTPException
from starlette.requests import Request

DEADLINE_S = 10.0
DISCARDED = 1 << 20
_GZIP = 16 + zlib.MAX_WBITS


async def read_body(request: Request, most: int) -> bytes:
    """The body, inflated when it came as gzip; ``most`` bounds what is sent and what it inflates to, in bytes.

    Raises HTTPException: 415 for another content type or encoding, 413 past ``most``, 408 past the deadline, 400 for
    what is no gzip.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if kind != "application/json" or encoding not in {"identity", "gzip"}:
        raise HTTPException(415, "the body must be application/json, as it is or with Content-Encoding gzip")
    body = await _read(request, most)
    return body if encoding == "identity" else _inflate(body, most)


async def _read(request: Request, most: int) -> bytes:
    length = request.headers.get("content-length", "")
    chunks, size = [], 0
    too_long = length.isdecimal() and int(length) > most
    try:
        async with asyncio.timeout(DEADLINE_S):
            async for chunk in request.stream():
                size += len(chunk)
                # A refusal is only heard by a client that has sent all: what is a little too long is read to its end.
                if size > most + DISCARDED:
                    break
                too_long = too_long or size > most
                if not too_long:
                    chunks.append(chunk)
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive within {DEADLINE_S:.0f} s") from None
    if too_long:
        raise HTTPException(413, f"the body has more than {most} bytes")
    return b"".join(chunks)


def _inflate(body: bytes, most: int) -> bytes:
    stream = zlib.decompressobj(_GZIP)
    try:
        inflated = stream.decompress(body, most + 1)
    except zlib.error as error:
        raise HTTPException(400, f"the body is not gzip: {error}") from None
    if len(inflated) > most:
        raise HTTPException(413, f"the body inflates to more than {most} bytes")
    if not stream.eof or stream.unused_data:
        raise HTTPException(400, "the body must be one whole gzip member")
    return inflated
