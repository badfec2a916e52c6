"""wrk, the load generator: fixed connections, as fast as answers come. Installed by the system, never by us."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("wrk.lua")
PATIENCE_S = 60.0
MISSING = """make bench needs wrk (https://github.com/wg/wrk), the load generator:
  Debian, Ubuntu   apt-get install wrk
  Fedora           dnf install wrk
  macOS            brew install wrk
(--only with scenarios at a fixed rate alone goes without it: single, mixed)"""


@dataclass(frozen=True, slots=True)
class Ran:
    """What wrk saw. Times in ms, of all answers; ``errors`` by kind, those that did not happen left out."""

    requests: int
    seconds: float
    times: dict[str, float]
    errors: dict[str, int]

    @property
    def per_s(self) -> float:
        """Good answers a second."""
        return (self.requests - self.errors.get("status", 0)) / self.seconds


def must_be_there() -> None:
    """Ends the benchmark with how to get wrk when it is missing."""
    if shutil.which("wrk") is None:
        sys.exit(MISSING)


def run(
    url: str, tokens: Path, *, connections: int, seconds: float, each: bool = False, seed: int = 1,
    path: str = "/api/v1/feed",
) -> Ran:  # fmt: skip
    """Load for ``seconds``; viewers drawn by Zipf's law, or with ``each`` one after the other, and again from the
    first. Raises CalledProcessError, TimeoutExpired."""
    threads = str(min(2, connections))
    argv = [
        "wrk", "-t", threads, "-c", str(connections), "-d", f"{seconds:.0f}s", "--timeout", "10s", "-s", str(SCRIPT),
        url, "--", str(tokens), "each" if each else "zipf", str(seed), path, threads,
    ]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=seconds + PATIENCE_S)
    told = json.loads(done.stdout.splitlines()[-1])
    times = {f"{name}_ms": round(told[f"{name}_us"] / 1000, 1) for name in ("p50", "p95", "p99", "max")}
    errors = {kind: told[kind] for kind in ("connect", "read", "write", "timeout", "status") if told[kind]}
    return Ran(told["requests"], told["duration_us"] / 1e6, times, errors)
