"""The person on call, at the admin listener."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import httpx

from tests.reader import FEED, Json
from tests.stack import LocalStack, bearer

SOON_S = 1.0  # within which every process holds what was changed


class Operator:
    """Somebody with a token of the scope ``admin``."""

    def __init__(self, http: httpx.AsyncClient, stack: LocalStack) -> None:
        self.http, self._stack = http, stack
        self.headers, self.api_url = bearer(stack, 1, "admin"), stack.facts["api_url"]

    async def get(self, path: str, **parameters: Any) -> Json:
        """The body of a good answer."""
        answer = await self.http.get(path, params=parameters, headers=self.headers)
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        return body

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> httpx.Response:
        """Anything, whatever the answer."""
        more = {} if body is None else {"json": body}
        return await self.http.request(method, path, headers=self.headers | headers, **more)  # type: ignore[arg-type]

    async def flag(self, **flags: bool) -> int:
        """Set flags; the version."""
        answer = await self.ask("PATCH", "/admin/flags", flags)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["version"])

    async def config(self, **numbers: float) -> int:
        """Change some numbers; the version."""
        now = await self.get("/admin/config")
        answer = await self.ask("PUT", "/admin/config", now["config"] | numbers, **{"If-Match": f'"{now["version"]}"'})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["version"])

    async def back_to_settings(self) -> None:
        """As it was before anybody changed anything; returns when every process holds it."""
        answer = await self.ask("POST", "/admin/runtime/rollback", {"version": 0})
        assert answer.status_code == 200, answer.text
        await self.settled()

    async def settled(self) -> Json:
        """Wait until every process says that it holds the newest version; what they say."""
        until = time.monotonic() + 10
        while True:
            state = await self.get("/debug/system/state")
            if state["runtime_holds"]:
                return state
            assert time.monotonic() < until, state
            await asyncio.sleep(0.1)

    async def pages(self, user_id: int, times: int = 24) -> list[httpx.Response]:
        """First pages of a user, each over a connection of its own: every worker is asked."""
        headers = bearer(self._stack, user_id)

        async def page() -> httpx.Response:
            async with httpx.AsyncClient(base_url=self._stack.facts["api_url"], timeout=10) as http:
                return await http.get(FEED, params={"limit": 5, "explain": "true"}, headers=headers)

        return await asyncio.gather(*(page() for _ in range(times)))
