"""The live mode: people go on using the app, at given rates, until a time is over or somebody says stop."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass

import asyncpg
import httpx

from nova_feed.clock import Clock
from nova_feed.local.sample.crowd import BATCH, Crowd
from nova_feed.local.sample.delivery import AppWriter, EventSender, persist
from nova_feed.local.sample.draw import Stream
from nova_feed.local.sample.lane import Lane
from nova_feed.local.sample.pace import Rates
from nova_feed.local.sample.planner import Planner
from nova_feed.local.sample.population import read_population
from nova_feed.local.sample.tally import Statistics
from nova_feed.local.sample.text import Writer, read_vocabulary

_TICK_S = 0.05
_DRAIN_S = 2.0
_WRITERS, _SENDERS = 4, 8

Report = Callable[[Statistics], None]


@dataclass(frozen=True, slots=True)
class App:
    """The app that is used: its database, and the event API at ``api_url`` (without /api/v1).

    ``token()`` gives a bearer token that may send for many users; it is called for every request.
    """

    pool: asyncpg.Pool
    http: httpx.AsyncClient
    api_url: str
    token: Callable[[], str]


async def simulate(
    app: App,
    rates: Rates,
    *,
    duration_s: float | None,
    seed: int,
    clock: Clock,
    stop: asyncio.Event,
    report: Report,
) -> Statistics:
    """Use the app for ``duration_s`` (None: until ``stop`` is set) and return what was done.

    ``report`` is called once per second with the same, growing statistics. Servers that are away are counted and waited
    for. When the duration is over, work under way has 2 s to finish; a stop ends it at once. The time of the start goes
    into the draws beside ``seed``, so that no event id comes twice from two runs. The app's clients stay open. Raises
    NobodyThereError when there are no users, and asyncpg's error when a table is missing.
    """
    statistics, start_s = Statistics(), clock.monotonic()
    run = asyncio.ensure_future(_run(app, rates, duration_s, seed, clock, statistics))
    others = asyncio.ensure_future(stop.wait()), asyncio.ensure_future(_report(statistics, clock, report))
    try:
        patience = None if duration_s is None else duration_s + _DRAIN_S
        await asyncio.wait((run, *others), timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        for task in (run, *others):
            if task.done():
                task.result()
    finally:
        for task in (run, *others):
            task.cancel()
        await asyncio.gather(run, *others, return_exceptions=True)
        statistics.elapsed_s = clock.monotonic() - start_s
    return statistics


async def _run(
    app: App, rates: Rates, duration_s: float | None, seed: int, clock: Clock, statistics: Statistics
) -> None:
    start_s = clock.monotonic()
    population = await persist(lambda: read_population(app.pool), "population", statistics.errors)
    planner = Planner(population, Stream(seed, clock.now_ms()), Writer(read_vocabulary()))
    until_s = math.inf if duration_s is None else start_s + duration_s
    await _act(app, planner, rates, until_s, clock, statistics)


async def _act(app: App, planner: Planner, rates: Rates, until_s: float, clock: Clock, statistics: Statistics) -> None:
    writer = AppWriter(app.pool, planner.population.add_post, statistics)
    sender = EventSender(app.http, f"{app.api_url.rstrip('/')}/api/v1/events", app.token, statistics)
    deeds = Lane(writer.carry_out, _WRITERS, math.ceil(rates.changes_per_s) + _WRITERS)
    batches = Lane(sender.carry_out, _SENDERS, math.ceil(rates.events_per_s / BATCH) + _SENDERS)
    crowd = Crowd(planner, rates, deeds, batches, statistics, clock.monotonic())
    async with asyncio.TaskGroup() as group:
        workers = [group.create_task(lane.work()) for lane in (deeds, batches)]
        while (now_s := clock.monotonic()) < until_s:
            crowd.step(now_s, clock.now_ms())
            await asyncio.sleep(_TICK_S)
        crowd.finish(now_s)
        await deeds.drained()
        await batches.drained()
        for worker in workers:
            worker.cancel()


async def _report(statistics: Statistics, clock: Clock, report: Report) -> None:
    start_s = clock.monotonic()
    while True:
        await asyncio.sleep(1)
        statistics.elapsed_s = clock.monotonic() - start_s
        report(statistics)
