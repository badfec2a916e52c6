"""Request bodies: JSON only, counted while they are read, within a deadline."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import Request

DEADLINE_S = 10.0


async def read_body(request: Request, most: int) -> bytes:
    """The body. Raises HTTPException 415 for another content type, 413 past ``most`` bytes, 408 past the deadline."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" or request.headers.get("content-encoding"):
        raise HTTPException(415, "the body must be application/json, without content encoding")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > most:
        raise HTTPException(413, f"the body has {length} bytes; it may have {most}")
    chunks, size = [], 0
    try:
        async with asyncio.timeout(DEADLINE_S):
            async for chunk in request.stream():
                size += len(chunk)
                if size > most:
                    raise HTTPException(413, f"the body has more than {most} bytes")
                chunks.append(chunk)
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive within {DEADLINE_S:.0f} s") from None
    return b"".join(chunks)
