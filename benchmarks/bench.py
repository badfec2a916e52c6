"""`make bench`: everything about speed, in one table.

``python benchmarks/bench.py [--quick] [--size medium] [--only hits,misses] [--home .nova] [--mixed-seconds 300]
[--workers 1]``

Starts a stack of its own and removes it, or measures the one that runs in ``--home``. Writes build/bench.json and
build/bench.svg beside the table.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

import machine
import viewers
import wrk
from harness import BUILD, facts, new_home, nova, report
from mixed import mixed
from nova_feed.errors import NovaError
from nova_feed.ops import logs
from nova_feed.settings import Settings, env_name
from overload import overload
from scenarios import Bench, crowd, curve, hits, misses, single
from serving import settled
from table import Row, table

SCENARIOS = ("hits", "misses", "single", "crowd", "curve", "overload", "mixed")
FULL_S, QUICK_S = 15.0, 5.0  # of one load
MIXED_S, QUICK_MIXED_S = 120.0, 30.0


async def measure(home: Path, options: argparse.Namespace) -> tuple[list[Row], Bench]:
    """All scenarios asked for, one after the other; each line is printed when it is known."""
    read = facts(home)
    people = await viewers.find(home, read, 10_000)
    rest = await settled(read)
    print(f"at rest after {rest['waited_s']} s, {rest['records_left']} records left", file=sys.stderr, flush=True)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="nova-bench-") as folder:
        bench = Bench(home, read, people, Path(folder), QUICK_S if options.quick else FULL_S)
        for name in SCENARIOS:
            if name not in options.only:
                continue
            start = time.monotonic()
            try:
                found = await _one(bench, name, options)
            except (RuntimeError, OSError, NovaError, subprocess.SubprocessError, httpx.HTTPError) as error:
                found = [
                    Row(name, 0, {}, wrong=[f"it came to no end: {error!r}"[:300]])
                ]  # the others are told all the same
            rows += found
            said = ", ".join(f"{row.scenario}: {row.per_s:,.0f}/s" for row in found)
            print(f"{name:9} {time.monotonic() - start:5.0f} s   {said}", file=sys.stderr, flush=True)
    return rows, bench


async def _one(bench: Bench, name: str, options: argparse.Namespace) -> list[Row]:
    if name == "overload" and "misses" not in bench.best:
        sys.exit("overload is a multiple of what misses reach: --only misses,overload")
    match name:
        case "hits":
            return [await hits(bench)]
        case "misses":
            return [await misses(bench)]
        case "single":
            return [await single(bench)]
        case "crowd":
            return await crowd(bench)
        case "overload":
            return [await overload(bench)]
        case "mixed":
            return [await mixed(bench, options.mixed_seconds)]
    await curve(bench)
    return []


def say(rows: list[Row], bench: Bench) -> dict[str, Any]:
    """Print the table and what is worth a line; returns what goes into build/bench.json."""
    print(table(rows))
    for row in rows:
        for fault in row.wrong:
            print(f"WRONG  {row.scenario}: {fault}")
        print(f"{row.scenario}: " + "; ".join(f"{key} {value}" for key, value in row.notes.items()))
    return {"rows": [row.told() for row in rows], "curves": bench.curves, "api_workers": bench.workers}


def options_of(argv: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", choices=("small", "medium", "large"), default="medium", help="of the sample network")
    parser.add_argument("--home", type=Path, help="a running stack; without it one is started and removed")
    parser.add_argument("--quick", action="store_true", help="short loads: within 3 minutes of a stack that runs")
    parser.add_argument("--only", default=",".join(SCENARIOS), help=f"some of {','.join(SCENARIOS)}")
    parser.add_argument("--mixed-seconds", type=float)
    parser.add_argument("--workers", type=int, default=2, help="API processes of the stack that is started")
    options = parser.parse_args(argv)
    options.only = options.only.split(",")
    if unknown := set(options.only) - set(SCENARIOS):
        parser.error(f"no scenario {', '.join(sorted(unknown))}: there are {', '.join(SCENARIOS)}")
    options.mixed_seconds = options.mixed_seconds or (QUICK_MIXED_S if options.quick else MIXED_S)
    return options


def unlimited() -> dict[str, str]:
    """Limits that a few thousand viewers do not reach from one machine: they are judged and counted all the same."""
    names = {env_name(field) for field in Settings.model_fields}
    return {name: "1000000000" for name in names if name.startswith("NOVA_LIMIT_") and name not in os.environ}


def main() -> None:
    options = options_of(sys.argv[1:])
    wrk.must_be_there()
    logs.configure("error", "console")
    costs = machine.costs()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # thousands of connections, here and in what is started
    if options.home:
        rows, bench = asyncio.run(measure(options.home, options))
    else:
        os.environ.update(unlimited() | {"WORKER_CONCURRENCY": str(options.workers)})
        with new_home() as home:
            print(f"starting a stack with the {options.size} sample network ...", file=sys.stderr, flush=True)
            nova("up", "--demo", "--detach", "--size", options.size, "--home", str(home))
            rows, bench = asyncio.run(measure(home, options))
    print("this machine: " + "; ".join(f"{name} {value}" for name, value in costs.items()))
    report("bench", {"size": options.size, "quick": options.quick, "costs": costs, **say(rows, bench)})
    if any(bench.curves.values()):
        import plot

        print(f"written to {plot.latency(bench.curves, BUILD / 'bench.svg')}")


if __name__ == "__main__":
    main()
