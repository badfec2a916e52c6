"""Seconds per phase of `nova up --demo`, with no data and with data: ``python benchmarks/cold_start.py``."""

from __future__ import annotations

import json
from pathlib import Path

from harness import facts, new_home, nova, report


def start(home: Path) -> dict[str, float]:
    """Start a stack and stop it again; seconds per phase, and the sum as the user waits for it."""
    nova("up", "--demo", "--detach", "--home", str(home))
    read = facts(home)
    return {**read["phases"], "until the first feed": read["seconds"]}


def main() -> None:
    with new_home() as home:
        cold = start(home)
        memory = json.loads(nova("status", "--json", "--home", str(home)))
        nova("down", "--home", str(home))
        warm = start(home)
    print(f"{'phase':58} {'first start':>12} {'second start':>13}")
    for phase, seconds in cold.items():
        print(f"{phase:58} {seconds:10.1f} s {warm.get(phase, 0):11.1f} s")
    parts = ", ".join(f"{part['part']} {part['memory_mib']}" for part in memory["parts"])
    print(f"resident memory: {memory['memory_mib']} MiB ({parts})")
    report("cold_start", {"cold": cold, "warm": warm, "memory": memory})


if __name__ == "__main__":
    main()
