"""The app: it writes its own tables, and knows nothing of feeds."""

from __future__ import annotations

import uuid

import asyncpg

REGULARS = 200  # people 1 to 200 of the sample network are whom tests count on: nobody deletes them


class App:
    """What the app's code does to its database, one statement each."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._sql = connection

    async def person(self) -> int:
        """Somebody new, who follows nobody."""
        return await self._new("INSERT INTO users (username) VALUES ($1) RETURNING id", f"t{uuid.uuid4().hex[:12]}")

    async def post(self, author: int) -> int:
        return await self._new("INSERT INTO posts (author_id, body) VALUES ($1, 'hello') RETURNING id", author)

    async def delete(self, post: int) -> None:
        await self._sql.execute("DELETE FROM posts WHERE id = $1", post)

    async def follow(self, follower: int, followee: int) -> None:
        await self._sql.execute("INSERT INTO follows (follower_id, followee_id) VALUES ($1, $2)", follower, followee)

    async def unfollow(self, follower: int, followee: int) -> None:
        await self._sql.execute("DELETE FROM follows WHERE (follower_id, followee_id) = ($1, $2)", follower, followee)

    async def like(self, person: int, post: int) -> None:
        await self._sql.execute("INSERT INTO likes (post_id, user_id) VALUES ($1, $2)", post, person)

    async def unlike(self, person: int, post: int) -> None:
        await self._sql.execute("DELETE FROM likes WHERE (post_id, user_id) = ($1, $2)", post, person)

    async def comment(self, person: int, post: int) -> None:
        await self._sql.execute(
            "INSERT INTO comments (post_id, user_id, body) VALUES ($1, $2, 'so true')", post, person
        )

    async def leave(self, person: int) -> None:
        """The account is deleted, with all that hangs on it."""
        await self._sql.execute("DELETE FROM users WHERE id = $1", person)

    async def block(self, blocker: int, blocked: int) -> None:
        await self._sql.execute("INSERT INTO blocks (blocker_id, blocked_id) VALUES ($1, $2)", blocker, blocked)

    async def mute(self, muter: int, muted: int) -> None:
        await self._sql.execute("INSERT INTO mutes (muter_id, muted_id) VALUES ($1, $2)", muter, muted)

    async def run(self, sql: str, *values: object) -> None:
        """Whatever else the app does."""
        await self._sql.execute(sql, *values)

    async def followees(self, follower: int) -> list[int]:
        rows = await self._sql.fetch("SELECT followee_id FROM follows WHERE follower_id = $1", follower)
        return [row[0] for row in rows]

    async def _new(self, sql: str, *values: object) -> int:
        made: int = await self._sql.fetchval(sql, *values)
        return made
