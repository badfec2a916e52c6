"""Jobs side by side: one that fails is started again, and all of them stop together."""

from __future__ import annotations

import asyncio

from nova_feed.workers.runner import run


class Failing:
    """A job that fails some times, and then runs until it is cancelled."""

    def __init__(self, failures: int) -> None:
        self.failures, self.started = failures, 0
        self.runs, self.cancelled = asyncio.Event(), False

    async def __call__(self) -> None:
        self.started += 1
        if self.started <= self.failures:
            raise ConnectionError("away")
        self.runs.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled = True


async def no_pause(_: float) -> None:
    await asyncio.sleep(0)


async def stopped_once_running(*jobs: Failing) -> list[float]:
    """Run the jobs until all of them run, then stop; the pauses that were made."""
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(0)

    stop = asyncio.Event()
    running = asyncio.create_task(run({str(i): job for i, job in enumerate(jobs)}, stop, pause))
    await asyncio.gather(*(job.runs.wait() for job in jobs))
    stop.set()
    await running
    return pauses


async def test_a_job_that_fails_is_started_again() -> None:
    job = Failing(3)
    await stopped_once_running(job)
    assert job.started == 4


async def test_a_job_that_fails_takes_no_other_with_it() -> None:
    steady, failing = Failing(0), Failing(5)
    await stopped_once_running(steady, failing)
    assert (steady.started, failing.started) == (1, 6)


async def test_pauses_double_up_to_half_a_minute() -> None:
    assert await stopped_once_running(Failing(8)) == [0.5, 1, 2, 4, 8, 16, 30, 30]


async def test_a_stop_cancels_every_job_and_waits_for_its_end() -> None:
    jobs = [Failing(0), Failing(1)]
    await stopped_once_running(*jobs)
    assert [job.cancelled for job in jobs] == [True, True]


async def test_a_stop_also_ends_a_pause() -> None:
    stop, paused = asyncio.Event(), asyncio.Event()

    async def pause(_: float) -> None:
        paused.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(run({"failing": Failing(1)}, stop, pause))
    await paused.wait()
    stop.set()
    await running


async def test_without_jobs_a_stop_is_all_there_is_to_wait_for() -> None:
    stop = asyncio.Event()
    stop.set()
    await run({}, stop, no_pause)
