"""What the benchmarks share: a stack of their own, percentiles, and a report beside the table."""

from __future__ import annotations

import json
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from nova_feed.store.migrate import migrations

BUILD = Path("build")
_FROM_KAFKA = re.compile(r"ENGINE = Kafka|FROM \w+_queue\b")


def nova(*arguments: str) -> str:
    """Run a subcommand; returns what it printed. Ends the benchmark with its message when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "nova_feed.cli", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        sys.exit(done.stderr.strip() or done.stdout.strip())
    return done.stdout


@contextmanager
def new_home() -> Iterator[Path]:
    """A home for a stack that is stopped and removed afterwards, whatever happens."""
    folder = Path(tempfile.mkdtemp(prefix="nova-bench-"))
    folder.chmod(0o755)  # as root, PostgreSQL runs as somebody else
    try:
        yield folder / "nova"
    finally:
        nova("reset", "--yes", "--home", str(folder / "nova"))
        shutil.rmtree(folder, ignore_errors=True)


def facts(home: Path) -> dict[str, Any]:
    """``demo.json`` of a running stack."""
    read: dict[str, Any] = json.loads((home / "demo.json").read_text())
    return read


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """P50, P95, P99 and the largest, in milliseconds."""
    values = np.percentile(np.array(seconds) * 1000, (50, 95, 99, 100))
    return dict(zip(("p50_ms", "p95_ms", "p99_ms", "max_ms"), (round(float(v), 1) for v in values), strict=True))


def report(name: str, results: dict[str, Any]) -> None:
    """Write ``build/<name>.json``, with the machine it was measured on."""
    BUILD.mkdir(exist_ok=True)
    machine = {
        "cpu": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "system": platform.platform(),
    }
    path = BUILD / f"{name}.json"
    path.write_text(json.dumps({"machine": machine, **results}, indent=1) + "\n")
    print(f"written to {path}")


def without_kafka() -> list[str]:
    """The schema without its Kafka tables and what reads them."""
    settings = {"KAFKA_BROKERS": "", "KAFKA_CONSUMERS": "1"}
    statements = [statement for migration in migrations() for statement in migration.statements(settings)]
    return [statement for statement in statements if not _FROM_KAFKA.search(statement)]
