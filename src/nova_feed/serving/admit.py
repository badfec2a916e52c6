"""Only so many at once: what a process cannot answer soon it refuses at once, and says when to come again.

Without a bound every request that is too many makes all others slower, until none is answered in time (goodput falls to
nothing while every core works). ``MOST`` requests take a process about a second when each has to be ranked.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from nova_feed.ops import metrics
from nova_feed.serving.problems import problem

MOST = 256
AGAIN_S = 1
KIND = "overloaded"


class Crowd:
    """How many are inside, of all routes of a process that share it, and how many there may be."""

    __slots__ = ("inside", "most")

    def __init__(self, most: int = MOST) -> None:
        self.inside, self.most = 0, most

    @property
    def full(self) -> bool:
        """Whether one more would be one too many."""
        return self.inside >= self.most

    @property
    def why(self) -> str:
        """What those are told who are refused."""
        return f"{self.most} requests are being answered here; try again in {AGAIN_S} s"


class Admit:
    """Around a route: 503 with Retry-After for who would be one too many. Nothing was done for them."""

    def __init__(self, app: ASGIApp, crowd: Crowd) -> None:
        self._app, self._crowd = app, crowd

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._crowd.full:
            metrics.SHED.inc()
            answer = problem(Request(scope), 503, KIND, self._crowd.why, {"Retry-After": str(AGAIN_S)})
            await answer(scope, receive, send)
            return
        self._crowd.inside += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._crowd.inside -= 1
