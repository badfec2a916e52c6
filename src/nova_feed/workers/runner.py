"""Run jobs side by side; one that fails is logged and started again, with growing pauses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

log = structlog.get_logger(__name__)
Job = Callable[[], Awaitable[None]]
Pause = Callable[[float], Awaitable[None]]
LONGEST_PAUSE_S = 30.0


async def run(jobs: Mapping[str, Job], stop: asyncio.Event, pause: Pause = asyncio.sleep) -> None:
    """Run all jobs until ``stop`` is set, then cancel them and wait. ``pause`` waits for some seconds."""
    tasks = [asyncio.create_task(_keep_running(name, job, pause), name=name) for name, job in jobs.items()]
    await stop.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_running(name: str, job: Job, pause: Pause) -> None:
    pause_s = 0.5
    while True:
        try:
            await job()
        except Exception:
            log.exception("job.failed", job=name, again_in_s=pause_s)
        await pause(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
