"""Chromium without a window, and what a page did in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

PATIENCE_MS = 15_000
expect.set_options(timeout=PATIENCE_MS)


def chromium() -> str:
    """The path of the system's Chromium.

    Skips the test when there is none; where REQUIRE_CHROMIUM is set, as in continuous integration, fails it.
    """
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    missing = "Chromium is not installed: `make setup-chromium` installs it where apt-get is (as root)"
    if os.environ.get("REQUIRE_CHROMIUM"):
        pytest.fail(missing)
    pytest.skip(missing)


@asynccontextmanager
async def browser() -> AsyncIterator[Browser]:
    """A browser with nothing in it."""
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []  # as root Chromium has no sandbox
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=chromium(), args=arguments)
        try:
            yield running
        finally:
            await running.close()


@dataclass
class Watched:
    """A tab, and everything it complained of and asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @property
    def hosts(self) -> set[str]:
        """Everybody the page asked for something; not ``data:``."""
        return {urlsplit(url).netloc for url in self.asked if not url.startswith("data:")}


@asynccontextmanager
async def tab(running: Browser, width: int = 1280, height: int = 900, dark: bool = False) -> AsyncIterator[Watched]:
    """A tab of a new profile, watched from its first request on."""
    scheme = "dark" if dark else "light"
    context = await running.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)  # type: ignore[arg-type]
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    watched = Watched(page)

    def heard(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            watched.complaints.append(message.text)

    page.on("console", heard)
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    page.on("request", lambda request: watched.asked.append(request.url))
    try:
        yield watched
    finally:
        await context.close()
