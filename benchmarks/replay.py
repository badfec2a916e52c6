"""Read every event again from offset 0: ``python benchmarks/replay.py [--events 1000000] [--home .nova]``.

Sends events until there are so many, then lets ClickHouse read the topic again, and compares a checksum of every count.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from pathlib import Path
from typing import Any

import load
from harness import facts, new_home, nova, report

PER_ROUND_S = 10.0


async def fill(home: Path, events: int) -> None:
    """Send events until PostgreSQL has accepted so many."""
    read = facts(home)
    posts, users = await load.world(read["postgres_url"])
    token, batches = load.service_token(home), load.Batches(posts, users, 3)
    while _ledger(home)["accepted"] < events:
        await load.run(read["api_url"], token, batches, seconds=PER_ROUND_S, connections=8)


def _ledger(home: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(nova("events", "verify", "--wait", "--json", "--home", str(home)))
    return read


def measure(home: Path, events: int) -> dict[str, Any]:
    """The replay, and what it moved."""
    asyncio.run(fill(home, events))
    before = _ledger(home)
    start = time.monotonic()
    said = nova("events", "replay", "--from", "beginning", "--home", str(home))
    seconds = time.monotonic() - start
    after = _ledger(home)
    print(said)
    return {
        "events": before["stored"], "seconds": round(seconds, 1), "events_per_s": round(before["stored"] / seconds),
        "unchanged": "unchanged" in said and "what the events say: 0" in said, "stored_before": before["stored"],
        "stored_after": after["stored"], "adds_up": after["adds_up"],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--home", type=Path, help="a running stack; without it one is started and removed")
    options = parser.parse_args()
    if options.home:
        found = measure(options.home, options.events)
    else:
        with new_home() as home:
            nova("up", "--demo", "--detach", "--home", str(home))
            found = measure(home, options.events)
    for name, value in found.items():
        print(f"{name:<20} {value}")
    report("replay", found)


if __name__ == "__main__":
    main()
