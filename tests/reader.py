"""A user of the app, reading: the client's side of the HTTP API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx

FEED, EVENTS = "/api/v1/feed", "/api/v1/events"
TRENDING, SUGGESTED = "/api/v1/feed/trending", "/api/v1/discover/suggested-users"
Json = dict[str, Any]


class Reader:
    """One signed-in user."""

    def __init__(self, api: httpx.AsyncClient, user_id: int, token: str) -> None:
        self._api, self.user_id = api, user_id
        self.headers = {"Authorization": f"Bearer {token}"}

    async def get(self, **parameters: Any) -> httpx.Response:
        """GET the feed, whatever the answer."""
        return await self._api.get(FEED, params=parameters, headers=self.headers)

    async def ask(self, path: str, **parameters: Any) -> httpx.Response:
        """GET anything, whatever the answer."""
        return await self._api.get(path, params=parameters, headers=self.headers)

    async def page(self, **parameters: Any) -> Json:
        """A page of the feed."""
        answer = await self.get(**parameters)
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        return body

    async def trending(self, **parameters: Any) -> Json:
        """What trends."""
        return await self._body(TRENDING, parameters)

    async def suggested(self, **parameters: Any) -> Json:
        """Whom to follow."""
        return await self._body(SUGGESTED, parameters)

    async def _body(self, path: str, parameters: Json) -> Json:
        answer = await self._api.get(path, params=parameters, headers=self.headers)
        assert answer.status_code == 200, answer.text
        body: Json = answer.json()
        return body

    async def pages(self, **parameters: Any) -> AsyncIterator[Json]:
        """Every page, to the end of the list."""
        page = await self.page(**parameters)
        yield page
        while page["cursor"]:
            page = await self.page(**(parameters | {"cursor": page["cursor"]}))
            yield page

    async def posts(self, **parameters: Any) -> list[Json]:
        """Every post of the list, in the order shown."""
        return [post async for page in self.pages(limit=100, **parameters) for post in page["posts"]]

    async def post(self, post_id: int, **parameters: Any) -> Json | None:
        """One post of the list, None when it is not in it."""
        return next((post for post in await self.posts(**parameters) if post["post_id"] == post_id), None)

    async def authors(self, **parameters: Any) -> set[int]:
        """Everybody who has a post in the list."""
        return {post["author_id"] for post in await self.posts(**parameters)}

    async def send(self, *items: Json) -> httpx.Response:
        """POST events."""
        return await self._api.post(EVENTS, json={"events": list(items)}, headers=self.headers)


ReaderOf = Callable[[int], Reader]
