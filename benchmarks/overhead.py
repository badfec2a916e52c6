"""What metrics and log lines cost a page from memory: ``python benchmarks/overhead.py [--rounds 60] [--home .nova]``.

Two APIs of one process each on the same stores take turns under the same load (wrk, 16 connections, one viewer): as it
is, and with nothing counted and nothing logged. A round asks both for a second each, in alternating order, because the
machine's own speed changes within seconds. The figures are of all rounds together, each with its standard error from
round to round: of requests a second, and of the CPU that the process spent on a request.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import prometheus_client
from starlette.applications import Starlette

import usage
import wrk
from ceiling import until_up
from harness import facts, new_home, nova, report
from nova_feed import bootstrap
from nova_feed.commands import api
from nova_feed.local.ports import free_port
from nova_feed.local.secrets import Secrets
from nova_feed.settings import load

WAYS = ("counted and logged", "neither")
CONNECTIONS, SECONDS, WARM_S = 16, 1.0, 3.0


def neither() -> Starlette:
    """The application without a metric; LOG_LEVEL has silenced the log."""

    def nothing(*_: object, **__: object) -> None: ...

    for kind, methods in {
        prometheus_client.Counter: ("inc",), prometheus_client.Gauge: ("inc", "dec", "set"),
        prometheus_client.Histogram: ("observe",),
    }.items():  # fmt: skip
        for method in methods:
            setattr(kind, method, nothing)
    return bootstrap.asgi()


@contextmanager
def serving(way: str, home: Path, read: dict[str, Any], folder: Path) -> Iterator[tuple[str, int]]:
    """The URL and the pid of one of the two, while it runs. Its log goes to a file, as a service's does."""
    port, metrics = free_port(), folder / way
    metrics.mkdir()
    environment = os.environ | Secrets(home / "secrets.json").environment() | {
        "HTTP_PORT": str(port), "WORKER_CONCURRENCY": "1", "PROMETHEUS_MULTIPROC_DIR": str(metrics),
        "POSTGRES_URL": read["postgres_url"], "CLICKHOUSE_URL": read["clickhouse_url"],
        "KAFKA_BROKERS": read["kafka_brokers"], "REDIS_URL": read["redis_url"], "NOVA_CONNECT_URL": read["connect_url"],
        "NOVA_LIMIT_READS": "1000000000", "LOG_LEVEL": "info" if way == WAYS[0] else "warning",
    }  # fmt: skip
    with (folder / f"{way}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, __file__, "--serve", way], env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        until_up(f"{url}/health/live", process)
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(20)


def measure(home: Path, rounds: int) -> dict[str, Any]:
    """Requests/s and CPU µs of a request, and what counting and logging take of both."""
    read = facts(home)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nova-bench-")))
        tokens = folder / "tokens.txt"
        tokens.write_text(f"{read['token']}\n")
        apis = {way: stack.enter_context(serving(way, home, read, folder)) for way in WAYS}
        ask: Callable[[str, float], wrk.Ran] = lambda url, seconds: wrk.run(  # noqa: E731
            url, tokens, connections=CONNECTIONS, seconds=seconds
        )
        for url, _ in apis.values():
            ask(url, WARM_S)
        per_s: dict[str, list[float]] = {way: [] for way in WAYS}
        cpu_us: dict[str, list[float]] = {way: [] for way in WAYS}
        for number in range(rounds):
            for way in WAYS if number % 2 else WAYS[::-1]:
                url, pid = apis[way]
                before = usage.cpu({"pids": {way: pid}})[way]
                ran = ask(url, SECONDS)
                assert not ran.errors, ran.errors
                per_s[way].append(round(ran.per_s))
                cpu_us[way].append(round((usage.cpu({"pids": {way: pid}})[way] - before) / ran.requests * 1e6, 1))
    less, more = overhead(*(per_s[way] for way in WAYS[::-1])), overhead(*(cpu_us[way] for way in WAYS))
    return {"per_s": per_s, "cpu_us": cpu_us, "overhead": less, "overhead_cpu": more}


def overhead(larger: list[float], smaller: list[float]) -> dict[str, float]:
    """How much larger the mean of one is than that of the other, and the standard error of that over the rounds."""
    differences = [a - b for a, b in zip(larger, smaller, strict=True)]
    error = statistics.stdev(differences) / len(differences) ** 0.5 if len(differences) > 1 else 0.0
    mean = statistics.fmean(smaller)
    return {"share": round(statistics.fmean(differences) / mean, 4), "error": round(error / mean, 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--home", type=Path, help="a running stack; without it one is started and removed")
    parser.add_argument("--serve", choices=WAYS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        sys.path.insert(0, str(Path(__file__).parent))
        api.server("nova_feed.bootstrap:asgi" if options.serve == WAYS[0] else "overhead:neither", load()).serve()
        return
    wrk.must_be_there()
    with ExitStack() as stack:
        home = options.home
        if home is None:
            home = stack.enter_context(new_home())
            nova("up", "--demo", "--detach", "--home", str(home))
        found = measure(home, options.rounds)
    for way in WAYS:
        rate, spent = statistics.fmean(found["per_s"][way]), statistics.fmean(found["cpu_us"][way])
        print(f"{way:20} {rate:8,.0f} requests/s, {spent:6.1f} µs of a CPU each")
    told = {what: f"{found[what]['share']:.1%} (± {found[what]['error']:.1%})" for what in ("overhead", "overhead_cpu")}
    print(f"without metrics and logs {told['overhead']} more requests, with them {told['overhead_cpu']} more CPU each")
    report("overhead", found)


if __name__ == "__main__":
    main()
