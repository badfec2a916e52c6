"""Run jobs side by side; one that fails is logged and started again, with growing pauses."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import structlog

log = structlog.get_logger(__name__)
Job = Callable[[], Awaitable[None]]
Pause = Callable[[float], Awaitable[None]]
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
STEADY_S = 60.0  # a job that ran so long begins again with the shortest pause


async def run(jobs: Mapping[str, Job], stop: asyncio.Event, pause: Pause = asyncio.sleep) -> None:
    """Run all jobs until ``stop`` is set, then cancel them and wait. ``pause`` waits for some seconds."""
    tasks = [asyncio.create_task(_keep_running(name, job, pause), name=name) for name, job in jobs.items()]
    await stop.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _keep_running(name: str, job: Job, pause: Pause) -> None:
    loop, pause_s = asyncio.get_running_loop(), SHORTEST_PAUSE_S
    while True:
        started = loop.time()
        try:
            await job()
        except Exception:
            if loop.time() - started >= STEADY_S:
                pause_s = SHORTEST_PAUSE_S
            log.exception("job.failed", job=name, again_in_s=pause_s)
        await pause(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
