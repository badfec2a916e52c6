"""Circuit breaker: after some failures in a row a store is left alone for a while, then asked once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.ops import metrics

T = TypeVar("T")
log = structlog.get_logger(__name__)
CLOSED, HALF_OPEN, OPEN = "closed", "half_open", "open"


class Breaker:
    """Guards one store. Only StoreUnavailableError counts as a failure: a wrong query says nothing about health, and a
    store that answers that it is full or busy can still be asked other things.

    Closed until ``failures`` failures in a row; then open for ``open_s`` seconds (monotonic), in which every call fails
    at once; then one call goes through as a probe while the others still fail. A success closes it. A call that was
    under way while the breaker opened or closed says nothing about the store as it is now.
    """

    def __init__(self, store: str, clock: Clock, *, failures: int = 3, open_s: float = 30.0) -> None:
        self.store, self._clock = store, clock
        self._limit, self._open_s = failures, open_s
        self._failures = 0
        self._opened_at: float | None = None
        self._probing = False
        self._turns = 0  # how often it opened or closed
        self._told = CLOSED
        metrics.BREAKERS.labels(store, CLOSED).inc()

    @property
    def state(self) -> str:
        """``closed``, ``open`` or ``half_open``."""
        if self._opened_at is None:
            return CLOSED
        return HALF_OPEN if self._clock.monotonic() - self._opened_at >= self._open_s else OPEN

    @property
    def doubted(self) -> bool:
        """Whether the store failed when it was asked last."""
        return self._failures > 0

    async def call(self, action: Callable[[], Awaitable[T]]) -> T:
        """Run ``action``. Raises StoreUnavailableError at once when the breaker does not let it through."""
        probe = self.state == HALF_OPEN
        if self.state == OPEN or (probe and self._probing):
            raise StoreUnavailableError(self.store, "its breaker is open", "breaker_open")
        if probe:
            self._tell(HALF_OPEN)
            self._turned("probed")
        self._probing, turns = probe, self._turns
        try:
            answer = await action()
        except StoreUnavailableError as error:
            if turns == self._turns and not error.answers:
                self._failed(probe=probe)
            raise
        finally:
            if probe:
                self._probing = False
        if turns == self._turns:
            self._turns += probe
            self._failures, self._opened_at = 0, None
            self._tell(CLOSED)
            if probe:
                self._turned("closed")
        return answer

    def _failed(self, *, probe: bool) -> None:
        self._failures += 1
        if probe or self._failures >= self._limit:
            self._turns += 1
            self._opened_at = self._clock.monotonic()
            self._tell(OPEN)
            self._turned("opened")
            # Without a call nobody would notice that it may be tried again.
            asyncio.get_running_loop().call_later(self._open_s + 0.1, lambda: self._tell(self.state))

    def _tell(self, state: str) -> None:
        """Move this breaker from the state it was last counted under to ``state``."""
        if state != self._told:
            metrics.BREAKERS.labels(self.store, self._told).dec()
            metrics.BREAKERS.labels(self.store, state).inc()
            self._told = state

    def _turned(self, turn: str) -> None:
        metrics.BREAKER_TURNS.labels(self.store, turn).inc()
        log.warning("breaker.turned", turn=turn, store=self.store, failures=self._failures, pid=os.getpid())
