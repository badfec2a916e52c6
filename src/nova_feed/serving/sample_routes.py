"""/admin/sample: the app's own writes, for the console of a sample network, where no app runs that would make them.

Only there while ``NOVA_SAMPLE_WRITES`` is on, which nothing but ``nova up --demo`` switches on: in production the
service reads the app's tables and writes none of them.
"""

from __future__ import annotations

from typing import Literal, get_args

import asyncpg
import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from nova_feed.away import POSTGRES_AWAY
from nova_feed.errors import InvalidInputError, StoreUnavailableError
from nova_feed.model import MAX_ID
from nova_feed.serving.admin_routes import admin_only
from nova_feed.serving.admin_schemas import SampleRequest, SampleResponse, SampleWrites
from nova_feed.serving.body import read_body
from nova_feed.serving.observe import tell
from nova_feed.serving.state import admin_of

LARGEST_BYTES = 1024
Write = Literal["post", "like", "unlike", "follow", "unfollow", "block", "unblock"]
_SQL: dict[str, str] = {
    "post": "INSERT INTO posts (author_id, body) VALUES ($1, 'written at the console') RETURNING id",
    "like": "INSERT INTO likes (user_id, post_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING post_id",
    "unlike": "DELETE FROM likes WHERE (user_id, post_id) = ($1, $2) RETURNING post_id",
    "follow": "INSERT INTO follows (follower_id, followee_id) VALUES ($1, $2) ON CONFLICT DO NOTHING"
    " RETURNING followee_id",
    "unfollow": "DELETE FROM follows WHERE (follower_id, followee_id) = ($1, $2) RETURNING followee_id",
    "block": "INSERT INTO blocks (blocker_id, blocked_id) VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING blocked_id",
    "unblock": "DELETE FROM blocks WHERE (blocker_id, blocked_id) = ($1, $2) RETURNING blocked_id",
}


async def sample(request: Request) -> Response:
    """GET: what can be written. POST: write it."""
    if request.method != "POST":
        return _json(SampleWrites(list(get_args(Write))))
    wanted = _read(await read_body(request, LARGEST_BYTES))
    tell(request.scope, wrote=wanted.write)
    values = (wanted.user_id,) if wanted.target_id is None else (wanted.user_id, wanted.target_id)
    try:
        found = await admin_of(request).write(_SQL[wanted.write], values)
    except asyncpg.ForeignKeyViolationError:
        raise HTTPException(404, "there is no such user, or no such post") from None
    except asyncpg.CheckViolationError:
        raise _wrong("target_id", f"nobody can {wanted.write} himself") from None
    except POSTGRES_AWAY as error:
        raise StoreUnavailableError("postgres", str(error) or type(error).__name__) from error
    return _json(SampleResponse(found is not None, found))


def _read(body: bytes) -> SampleRequest:
    """Raises InvalidInputError, which names the field."""
    try:
        wanted = msgspec.json.decode(body, type=SampleRequest)
    except msgspec.ValidationError as error:
        raise InvalidInputError(str(error), [{"field": "body", "reason": str(error)}]) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidInputError("the body is not JSON", [{"field": "body", "reason": "must be JSON"}]) from None
    if wanted.write not in _SQL:
        raise _wrong("write", f"is {wanted.write[:40]!r}; there are {', '.join(_SQL)}")
    if (wanted.target_id is None) != (wanted.write == "post"):
        raise _wrong("target_id", "must name a post or a user, but for the write post, which has none")
    for name, value in (("user_id", wanted.user_id), ("target_id", wanted.target_id)):
        if value is not None and not 0 < value <= MAX_ID:
            raise _wrong(name, f"is {value}; it must be an id from 1 to {MAX_ID}")
    return wanted


def _wrong(field: str, reason: str) -> InvalidInputError:
    return InvalidInputError(f"{field}: {reason}", [{"field": field, "reason": reason}])


def _json(body: msgspec.Struct) -> Response:
    return Response(msgspec.json.encode(body), headers={"Cache-Control": "no-store"}, media_type="application/json")


SAMPLE_ROUTES = (admin_only("/admin/sample", sample, "GET", "POST"),)
