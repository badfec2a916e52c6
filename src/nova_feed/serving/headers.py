"""What every answer carries: nothing is sniffed, framed, embedded or cached, and nothing is said about the server."""

from __future__ import annotations

from starlette.types import Scope

RawHeaders = list[tuple[bytes, bytes]]
# An endpoint that answers something else than data (a page, say) sets its own.
DEFAULTS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cache-control", b"no-store"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"server", b"nova-feed"),  # without one, the HTTP server puts in its own name
)


def complete(headers: RawHeaders, scope: Scope, request_id: str) -> RawHeaders:
    """The headers of an answer with those that were missing, and what is left of the limit that was charged."""
    there = {name for name, _ in headers}
    own = (b"x-request-id", request_id.encode("latin-1"))
    return [*headers, own, *(item for item in DEFAULTS if item[0] not in there), *scope.get("rate_limit", ())]
