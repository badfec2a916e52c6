"""What metrics and log lines cost a page from memory: ``python benchmarks/overhead.py [--rounds 6] [--home .nova]``.

Two APIs of one process each on the same stores take turns under the same load (wrk, 16 connections, one viewer): as it
is, and with nothing counted and nothing logged. Each round asks both, in alternating order; the figures are the medians
of the rounds' ratios: of requests a second, which every pause of the machine disturbs, and of what the process itself
spent on a request.
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
CONNECTIONS, SECONDS, WARM_S = 16, 4.0, 3.0


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
    """Requests/s and CPU µs of a request by round, and what counting and logging take of both."""
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
    fewer = [1 - a / b for a, b in zip(per_s[WAYS[0]], per_s[WAYS[1]], strict=True)]
    more = [a / b - 1 for a, b in zip(cpu_us[WAYS[0]], cpu_us[WAYS[1]], strict=True)]
    return {
        "per_s": per_s, "cpu_us": cpu_us,
        "overhead": round(statistics.median(fewer), 3), "overhead_by_round": [round(one, 3) for one in fewer],
        "overhead_cpu": round(statistics.median(more), 3), "overhead_cpu_by_round": [round(one, 3) for one in more],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=6)
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
    for way, rates in found["per_s"].items():
        spent = found["cpu_us"][way]
        print(f"{way:20} {statistics.median(rates):8,.0f} requests/s   " + " ".join(f"{rate:,.0f}" for rate in rates))
        print(f"{'':20} {statistics.median(spent):8,.1f} µs of a CPU   " + " ".join(f"{us:,.1f}" for us in spent))
    print(f"metrics and logs take {found['overhead']:.1%} of the rate (by round: {found['overhead_by_round']})")
    print(f"and cost {found['overhead_cpu']:.1%} more CPU a request (by round: {found['overhead_cpu_by_round']})")
    report("overhead", found)


if __name__ == "__main__":
    main()
