"""The page of /console: these files, these headers, on loopback listeners alone."""

from __future__ import annotations

import re
from types import SimpleNamespace

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from nova_feed.clock import SystemClock
from nova_feed.serving.console_routes import CONSOLE_ROUTES, FOLDER, PAGE, POLICY, files
from nova_feed.serving.headers import DEFAULTS
from nova_feed.serving.observe import Observe

OUTSIDE = (
    "../console_routes.py", "..%2fconsole_routes.py", "%2e%2e/%2e%2e/settings.py", "%2fetc%2fpasswd", "..", "%2e", "",
    "console.js/", "//console.js", "x/../console.js%00", "CONSOLE.JS", "index.htm", "console_routes.py",
)  # fmt: skip


def client(*, loopback: bool) -> httpx.AsyncClient:
    """Of an application that has these routes, and answers on such a listener."""
    app = Starlette(routes=CONSOLE_ROUTES, middleware=[Middleware(Observe, clock=SystemClock())])
    app.state.api = SimpleNamespace(show_metrics=loopback)
    app.router.redirect_slashes = False
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1")


async def test_the_page_and_every_file_of_it_are_served_as_what_they_are() -> None:
    kinds = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}
    async with client(loopback=True) as http:
        assert (await http.get("/console")).content == (FOLDER / PAGE).read_bytes()
        for path in FOLDER.iterdir():
            answer = await http.get(f"/console/{path.name}")
            assert (answer.status_code, answer.content) == (200, path.read_bytes())
            assert answer.headers["content-type"] == f"{kinds[path.suffix]}; charset=utf-8"


async def test_the_page_may_load_from_its_own_listener_alone_and_has_every_other_header() -> None:
    assert POLICY.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; ")
    assert "unsafe" not in POLICY
    async with client(loopback=True) as http:
        for path in ("/console", "/console/console.js"):
            headers = (await http.get(path)).headers
            assert headers.get_list("content-security-policy") == [POLICY]
            for name, value in DEFAULTS:
                assert name == b"content-security-policy" or headers[name.decode()] == value.decode()


@pytest.mark.parametrize("name", OUTSIDE)
async def test_nothing_but_the_files_of_the_page_is_served(name: str) -> None:
    async with client(loopback=True) as http:
        assert (await http.get(f"/console/{name}")).status_code == 404


async def test_there_is_no_page_on_a_listener_that_others_reach() -> None:
    async with client(loopback=False) as http:
        for path in ("/console", "/console/", *(f"/console/{name}" for name in files())):
            assert (await http.get(path)).status_code == 404


def test_no_file_names_another_host_and_every_file_it_names_is_there() -> None:
    for name, body in files().items():
        text = body.decode().replace("http://www.w3.org/2000/svg", "")  # a name, not an address
        assert not re.findall(r"(?:https?:)?//[\w.]+\.\w", text), name
        named = re.findall(r'(?:from "\./|"/console/)([\w.]+)"', text)
        assert set(named) <= set(files())
        assert len(text.splitlines()) <= 400


def test_the_page_makes_no_markup_of_data() -> None:
    for name, body in files().items():
        assert not re.search(rb"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", body), (
            name
        )
        assert not re.search(rb"\son[a-z]+=\"|\sstyle=\"", body), name
