"""A bounded load of client events over HTTP: closed loop (as fast as it is answered) or at a fixed rate.

At a fixed rate the latency of a batch is counted from the moment it was due, not from when it could be sent.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
import uuid
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import asyncpg

from nova_feed.clock import SystemClock
from nova_feed.local.secrets import Secrets
from nova_feed.serving.auth import mint

BATCH = 100
# What people do with a post they see; a like and a comment are rows of the app's own tables, too.
ACTIONS = ("impression",) * 70 + ("view",) * 15 + ("click",) * 6 + ("dwell",) * 5 + ("like",) * 2 + ("share", "comment")


@dataclass
class Told:
    """What the API answered so far: seconds per batch, items by status, and failures by what they were."""

    seconds: list[float] = field(default_factory=list)
    accepted: int = 0
    others: int = 0
    failures: dict[str, int] = field(default_factory=dict)


class Batches:
    """Request bodies of a hundred events, each event with an id of its own; about 150 bytes an event."""

    def __init__(self, posts: list[int], users: int, seed: int) -> None:
        self._dice, self._posts, self._users = random.Random(seed), posts, users
        self._run = uuid.UUID(int=self._dice.getrandbits(128)).hex[:12] + uuid.uuid4().hex[:8]
        self._number = itertools.count()

    def next(self) -> bytes:
        dice, run, number = self._dice, self._run, next(self._number)
        items = [
            b'{"event_id":"%s-%d-%d","post_id":%d,"user_id":%d,"action":"%s","device":"ios","app_ver":"3.2.1","event_time":%s}'
            % (run.encode(), number, i, post, 1 + dice.randrange(self._users), dice.choice(ACTIONS).encode(), self.now)
            for i, post in enumerate(dice.choices(self._posts, k=BATCH))
        ]
        return b'{"events":[' + b",".join(items) + b"]}"

    @property
    def now(self) -> bytes:
        return time.strftime('"%Y-%m-%dT%H:%M:%SZ"', time.gmtime()).encode()


async def world(postgres_url: str) -> tuple[list[int], int]:
    """The newest posts and the number of people."""
    connection = await asyncpg.connect(postgres_url)
    try:
        rows = await connection.fetch("SELECT id FROM posts ORDER BY created_at DESC LIMIT 5000")
        return [row[0] for row in rows], await connection.fetchval("SELECT max(id) FROM users")
    finally:
        await connection.close()


def service_token(home: Any) -> str:
    """A token that may send events of everybody."""
    secret = Secrets(home / "secrets.json").jwt
    return mint(
        secret, 1, issuer="nova-feed", audience="nova-feed", now_ms=SystemClock().now_ms(), life_s=7200, scope="service"
    )


async def run(
    api_url: str,
    token: str,
    batches: Batches,
    *,
    seconds: float,
    connections: int,
    rate: float | None = None,
    told: Told | None = None,
) -> Told:
    """Send for ``seconds`` over ``connections``; with ``rate`` that many events a second. ``told`` is written to."""
    told = Told() if told is None else told
    start = time.monotonic()
    due = itertools.count()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    timeout = aiohttp.ClientTimeout(total=30)
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(api_url, headers=headers, timeout=timeout, connector=connector) as http:

        async def one() -> None:
            while time.monotonic() - start < seconds:
                at = time.monotonic()
                if rate is not None:
                    at = start + next(due) * BATCH / rate
                    await asyncio.sleep(max(0.0, at - time.monotonic()))
                await _post(http, batches.next(), at, told)

        await asyncio.gather(*(one() for _ in range(connections)))
    return told


async def _post(http: aiohttp.ClientSession, body: bytes, since: float, told: Told) -> None:
    try:
        async with http.post("/api/v1/events", data=body) as answer:
            said = await answer.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError) as error:
        told.failures[type(error).__name__] = told.failures.get(type(error).__name__, 0) + 1
        return
    told.seconds.append(time.monotonic() - since)
    if answer.status == 202:
        told.accepted += said["accepted"]
        told.others += said["received"] - said["accepted"]
    else:
        told.failures[str(answer.status)] = told.failures.get(str(answer.status), 0) + 1
