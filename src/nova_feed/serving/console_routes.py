"""GET /console: a page for people, of files beside this module. Where /metrics is told, and nowhere else.

The files hold nothing secret: whatever the page shows it asks for with the token that its reader gave it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from nova_feed.serving.state import state_of

FOLDER = Path(__file__).parent / "console"
PAGE = "index.html"
_MEDIA = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
# Scripts and styles of this listener alone, requests to it alone; nothing inline, no frames, no forms that are sent.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)


async def console(request: Request) -> Response:
    """The page."""
    return _answer(request, PAGE)


async def console_file(request: Request) -> Response:
    """A file of the page. A name is looked up in the list of files there are: it is no path."""
    return _answer(request, request.path_params["name"])


def _answer(request: Request, name: str) -> Response:
    body = files().get(name) if state_of(request).show_metrics else None
    if body is None:
        raise HTTPException(404, "Not Found")
    return Response(body, headers={"Content-Security-Policy": POLICY}, media_type=_MEDIA[Path(name).suffix])


@cache
def files() -> dict[str, bytes]:
    """Every file of the page by its name, read once."""
    return {path.name: path.read_bytes() for path in FOLDER.iterdir() if path.suffix in _MEDIA}


CONSOLE_ROUTES = (
    Route("/console", console, methods=["GET"]),
    Route("/console/{name}", console_file, methods=["GET"]),
)
"""No part of the API, and not in its OpenAPI document."""
