"""Three times what the system can do: what is served all the same, how the rest is refused, and how soon it is over."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from fixed_rate import LOST, Running, Seen
from harness import percentiles
from scenarios import Bench, Cost, of_seen, row
from serving import uncached
from table import Row

TIMES = 3.0
CONNECTIONS = 1_500
PATIENCE_S = 5.0  # what is not answered within it is lost to its viewer
WELL_S, WELL_SHARE = 0.3, 0.99  # a second after the overload is well when 99 % are served, P95 within 300 ms
AFTER_S = 15.0


async def overload(bench: Bench) -> Row:
    """Misses at three times their best rate, then at half of it until all is well again."""
    best = bench.best["misses"]
    order = np.arange(len(bench.viewers))
    before = await Cost.now(bench)
    async with uncached(bench.read, bench.viewers):
        plan = bench.plan(best * TIMES, CONNECTIONS, bench.seconds, timeout_s=PATIENCE_S)
        seen = await asyncio.to_thread(Running(plan, order).wait)
        after = await Cost.now(bench)
        rest = await asyncio.to_thread(Running(bench.plan(best / 2, 64, AFTER_S, timeout_s=PATIENCE_S), order).wait)
    told = of_seen([seen])
    refused = seen.of(503, 429)
    in_time = seen.of(200).only(seen.of(200).seconds <= PATIENCE_S)
    spent = max(bench.seconds, float((seen.due + seen.seconds).max()))
    notes: dict[str, Any] = {
        "asked_per_s": round(best * TIMES), "goodput_per_s": round(len(in_time.seconds) / spent),
        "goodput_of_best": round(len(in_time.seconds) / spent / best, 3),
        "refused": round(len(refused.seconds) / len(seen.seconds), 3),
        "refused_times": percentiles(refused.seconds.tolist() or [0.0]),
        "lost": round(len(seen.of(LOST).seconds) / len(seen.seconds), 3), "statuses": seen.statuses(),
        "well_again_after_s": recovery(rest),
    }  # fmt: skip
    return row(bench, f"overload, {TIMES:.0f} x misses", told, before, after, notes=notes)


def recovery(rest: Seen) -> float | None:
    """Seconds from the end of the overload until all seconds are well; None when the last one is not."""
    well = []
    for second in range(int(AFTER_S)):
        then = rest.only((rest.due >= second) & (rest.due < second + 1))
        good = then.of(200).seconds
        enough = len(then.seconds) > 0 and len(good) >= WELL_SHARE * len(then.seconds)
        well.append(enough and float(np.percentile(good, 95)) <= WELL_S)
    if not well[-1]:
        return None
    return float(max((i + 1 for i, good in enumerate(well) if not good), default=0))
