"""Cursors: where a viewer stands in a frozen list, signed, bound to the viewer.

Layout (big endian), then base64url without padding: version u8, viewer i64, list id 9 bytes, position u16, served u16,
last post i64, last score f64, the last four authors i64 each, and the first 16 bytes of HMAC-SHA256 over all of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass

from nova_feed.errors import CursorError, CursorExpiredError

_BODY = struct.Struct(">Bq9sHHqdqqqq")
_MAC_BYTES = 16
_VERSION = 1
TAIL = 4  # as many authors as the saturation rule remembers
_TEXT_LENGTH = -(-(_BODY.size + _MAC_BYTES) * 4 // 3)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where the next page starts. ``position`` counts rows of the list, ``served`` posts shown so far."""

    viewer_id: int
    list_id: str
    position: int
    served: int
    last_post_id: int
    last_score: float
    tail: tuple[int, ...]  # authors of the last posts shown, at most TAIL, the last one last


class CursorSigner:
    """Makes and reads cursors with one key."""

    def __init__(self, key: str) -> None:
        self._key = hashlib.sha256(b"nova-feed cursor\0" + key.encode()).digest()

    def encode(self, cursor: Cursor) -> str:
        """The cursor as text of fixed length, safe in a URL."""
        tail = (*(0,) * TAIL, *cursor.tail)[-TAIL:]
        body = _BODY.pack(
            _VERSION, cursor.viewer_id, base64.urlsafe_b64decode(cursor.list_id), cursor.position, cursor.served,
            cursor.last_post_id, cursor.last_score, *tail,
        )  # fmt: skip
        return _text(body + self._mac(body))

    def decode(self, text: str, viewer_id: int) -> Cursor:
        """Read a cursor of this viewer. Raises CursorError, with one message for everything that is not ours, and
        CursorExpiredError for one of another version."""
        if len(text) != _TEXT_LENGTH:
            raise CursorError("this is not a cursor: pass on the `cursor` of the previous page as it came")
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise CursorError("this is not a cursor: pass on the `cursor` of the previous page as it came") from None
        body, mac = raw[: _BODY.size], raw[_BODY.size :]
        # The decoder is lenient (spare bits of the last character, "+" for "-"): one cursor has one spelling only.
        if not hmac.compare_digest(mac, self._mac(body)) or _text(raw) != text:
            raise CursorError("this cursor was altered: pass on the `cursor` of the previous page as it came")
        version, viewer, list_id, position, served, post, score, *authors = _BODY.unpack(body)
        if viewer != viewer_id:
            raise CursorError("this cursor belongs to another viewer: start again without one")
        if version != _VERSION:
            raise CursorExpiredError("this cursor is of another version of this service: start again without a cursor")
        tail = tuple(author for author in authors if author)
        return Cursor(viewer, base64.urlsafe_b64encode(list_id).decode(), position, served, post, score, tail)

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, body, "sha256")[:_MAC_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
