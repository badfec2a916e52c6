"""A job that does one round after the other, each at its time, and says how it went."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from nova_feed.clock import Clock
from nova_feed.errors import StoreUnavailableError
from nova_feed.ops import metrics

log = structlog.get_logger(__name__)
Sleep = Callable[[float], Awaitable[None]]


async def every(
    period_s: float, job: str, one_round: Callable[[], Awaitable[int]], clock: Clock, sleep: Sleep = asyncio.sleep
) -> None:
    """Rounds until cancelled: each starts ``period_s`` after the one before it, or at once when that took longer.

    A round answers how many things it did. A store that is away is told and counted, and the next round tries again.
    """
    while True:
        start = clock.monotonic()
        try:
            done = await one_round()
        except StoreUnavailableError as error:
            metrics.JOB_RUNS.labels(job, "failed").inc()
            log.warning("job.waiting", job=job, store=error.store, reason=error.reason)
        else:
            metrics.JOB_RUNS.labels(job, "done").inc()
            log.info("job.done", job=job, done=done, ms=round((clock.monotonic() - start) * 1000, 1))
        took_s = clock.monotonic() - start
        metrics.JOB_SECONDS.labels(job).observe(took_s)
        await sleep(max(0.0, period_s - took_s))
