"""Clients under a fault: batches at a steady rate, each sent again under the same names until it is answered."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

import httpx
import numpy as np

from tests.faults.checker import History, Outcome, Sent

EVENTS = "/api/v1/events"
ACTIONS = ("impression",) * 5 + ("view",) * 3 + ("click", "like", "comment", "share", "dwell", "hide")
PATIENCE_S = 5.0  # of a client, for one answer
AGAIN_S = 0.2  # between two tries of a batch
BUSY = "urn:nova-feed:problem:overloaded"
_OUTCOMES: dict[str, Outcome] = {"accepted": "accepted", "duplicate": "duplicate"}


def is_busy(answer: httpx.Response) -> bool:
    """Whether a client is told to send the same again a little later, because the process is busy."""
    return answer.status_code == 503 and "retry-after" in answer.headers and answer.json()["type"] == BUSY


async def post_again(http: httpx.AsyncClient, events: object, headers: dict[str, str] | None = None) -> httpx.Response:
    """POST, again while the process is busy."""
    while True:
        answer = await http.post(EVENTS, json=events, headers=headers)
        if not is_busy(answer):
            return answer
        await asyncio.sleep(AGAIN_S)


@dataclass(frozen=True, slots=True)
class World:
    """Whose posts the load is about: all that is visible of them was sent by it."""

    authors: Sequence[int]
    posts: Sequence[tuple[int, int]]  # post, author
    users: Sequence[int]

    @property
    def post_ids(self) -> list[int]:
        return [post for post, _ in self.posts]


@dataclass(frozen=True, slots=True)
class Answer:
    """One request: when it began (monotonic), how long it took, and its status, or how it ended without one."""

    began: float
    seconds: float
    status: int
    cut: str = ""
    retry_after: bool = False
    busy: bool = False  # told that the process is: every client is, sometimes, and sends it again

    @property
    def ended(self) -> float:
        return self.began + self.seconds


@dataclass
class Load:
    """``async with load:`` sends until ``stop``; then every batch that has no answer yet is sent on to the deadline.

    Never more than ``clients`` requests are on their way. ``history`` and ``answers`` tell all that happened.
    """

    url: str
    token: str
    world: World
    rate: float = 1_500
    batch: int = 75
    clients: int = 12
    deadline_s: float = 60
    history: History = field(default_factory=History)
    answers: list[Answer] = field(default_factory=list)
    accepted: int = 0
    on_the_way: int = 0

    async def __aenter__(self) -> Load:
        limits = httpx.Limits(max_connections=self.clients, max_keepalive_connections=self.clients)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        self._http = httpx.AsyncClient(base_url=self.url, headers=headers, timeout=PATIENCE_S, limits=limits)
        self._random, self._stopping = random.Random(), asyncio.Event()
        self._due, self._started = itertools.count(), time.monotonic()
        self._tasks = [asyncio.create_task(self._client()) for _ in range(self.clients)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            for task in self._tasks:
                task.cancel()
        await self.stop()
        await self._http.aclose()

    async def stop(self) -> None:
        """No new batches; returns when every batch was answered, or its deadline passed."""
        self._stopping.set()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def per_second(self, since: float, until: float) -> float:
        """Answers 202 per second between two moments, in events."""
        good = sum(answer.status == 202 and since <= answer.ended <= until for answer in self.answers)
        return good * self.batch / (until - since)

    def bad(self) -> list[Answer]:
        """Every request that was not answered with 202, nor told to come again because the process is busy."""
        return [answer for answer in self.answers if answer.status != 202 and not answer.busy]

    def told_again(self) -> int:
        """Requests that were told to come again because the process is busy."""
        return sum(answer.busy for answer in self.answers)

    def cuts(self) -> dict[str, int]:
        """How requests without an answer ended, and how often."""
        kinds = sorted(answer.cut for answer in self.answers if answer.cut)
        return {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)}

    def slowest(self, status: int, of: float = 100) -> float:
        """The ``of``-th percentile of the seconds an answer with this status took; 0 when there was none."""
        seconds = [answer.seconds for answer in self.answers if answer.status == status]
        return float(np.percentile(seconds, of)) if seconds else 0.0

    def error_window_s(self) -> float:
        """From the first request that failed to the last, in seconds."""
        bad = self.bad()
        return max(a.ended for a in bad) - min(a.began for a in bad) if bad else 0.0

    async def _client(self) -> None:
        while not self._stopping.is_set():
            due = self._started + next(self._due) * self.batch / self.rate
            behind = time.monotonic() - due
            if behind > 1:  # after an outage the load goes on at its rate: it does not make up for what it missed
                self._due, self._started = itertools.count(), time.monotonic()
            elif behind < 0:
                await asyncio.sleep(-behind)
            await self._deliver([self._event() for _ in range(self.batch)])

    async def _deliver(self, events: list[tuple[Sent, dict[str, Any]]]) -> None:
        body = json.dumps({"events": [wire for _, wire in events]}).encode()
        until = time.monotonic() + self.deadline_s
        for event, _ in events:
            self.history.sent(event)
        while not await self._post(body, [event for event, _ in events]):
            if time.monotonic() > until:
                return
            await asyncio.sleep(AGAIN_S)

    async def _post(self, body: bytes, events: list[Sent]) -> bool:
        """One try; returns whether the batch's fate is known."""
        began = time.monotonic()
        self.on_the_way += 1
        try:
            answer = await self._http.post(EVENTS, content=body)
        except httpx.TransportError as error:
            self._answered(events, ["unknown"] * len(events))
            self.answers.append(Answer(began, time.monotonic() - began, 0, cut=type(error).__name__))
            return False
        finally:
            self.on_the_way -= 1
        again = "retry-after" in answer.headers
        took_s = time.monotonic() - began
        self.answers.append(Answer(began, took_s, answer.status_code, retry_after=again, busy=is_busy(answer)))
        if answer.status_code == 202:
            self._answered(events, [_OUTCOMES.get(r["status"], "rejected") for r in answer.json()["results"]])
            return True
        final = 400 <= answer.status_code < 500
        self._answered(events, ["rejected" if final else "unknown"] * len(events))
        return final

    def _answered(self, events: list[Sent], outcomes: Sequence[Outcome]) -> None:
        for event, outcome in zip(events, outcomes, strict=True):
            self.history.told(event.event_id, outcome)
            self.accepted += outcome == "accepted"

    def _event(self) -> tuple[Sent, dict[str, Any]]:
        post, author = self._random.choice(self.world.posts)
        user, action = self._random.choice(self.world.users), self._random.choice(ACTIONS)
        event = Sent(str(uuid.uuid4()), post, author, user, action)
        wire: dict[str, Any] = {"event_id": event.event_id, "post_id": post, "user_id": user, "action": action}
        if self._random.random() < 0.8:  # some clients leave the time to the server
            wire["event_time"] = datetime.now(UTC).isoformat(timespec="milliseconds")
        return event, wire
