"""What growth costs: ``python benchmarks/growth.py [--times 10] [--seconds 6]``.

Our schema without its Kafka tables in embedded ClickHouses of their own, behind the HTTP server of a stack; rows are
drawn straight into the state tables (PostgreSQL and Kafka would take an hour for ten million posts and are not what a
miss reads). Candidates are read and ranked as in production: same queries, same batches of 64, same ranking, while
nothing is rebuilt; what the rebuilds take is told beside it. Measured are one viewer alone and groups of 64, in a
network as large as `medium`, then with ten times the posts (by as many authors), with ten times the users, and for one
viewer who follows 5,000.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil

from harness import BUILD, percentiles, report, without_kafka
from nova_feed.clock import SystemClock
from nova_feed.feed.sources import Sources
from nova_feed.local.ports import free_port
from nova_feed.ops import logs
from nova_feed.ranking import Saturation, Weights, rank
from nova_feed.store.client import Store

TOGETHER, LONGEST = 64, 500
VIEWS = ("past_counts", "affinity", "author_posts", "hot_posts")
OTHER_VIEWS = ("popular_people", "readers")
# Follows crowd on the first people, as they do on the well known; ages are even over 90 days, of likes over 30.
_AUTHOR = "toInt64(1 + intDiv((rand(1) % {users}) * (rand(2) % {users}), {users}))"
_AT, _LATELY = "now64(3) - toIntervalSecond(rand(3) % 7776000)", "now64(3) - toIntervalSecond(rand(3) % 2592000)"
_ABOUT = "toInt64(number + 1), toInt64(1 + rand(4) % {posts}), toInt64(1 + rand(5) % {users}), " + _LATELY
ROWS = {
    "posts": f"SELECT toInt64(number + 1), {_AUTHOR}, {_AT}, 0, number FROM numbers({{posts}})",
    "follows": f"SELECT toInt64(1 + number % {{users}}), {_AUTHOR}, {_AT}, 0, number FROM numbers({{follows}})",
    "likes": f"SELECT {_ABOUT}, 0, number FROM numbers({{likes}})",
    "comments": f"SELECT {_ABOUT}, 0, number FROM numbers({{comments}})",
}
BUILDS = {"hot_posts": "one", "author_posts": "one"}  # nothing is rebuilt while it is measured
EAGER = "INSERT INTO follows SELECT toInt64({users} + 1), toInt64(number + 1), now64(3), 0, number FROM numbers(5000)"


@dataclass(frozen=True, slots=True)
class Network:
    """Counts; one viewer more, ``eager``, follows the 5,000 best known."""

    name: str
    users: int
    posts: int
    follows_each: int
    likes: int
    comments: int

    def statements(self) -> list[str]:
        """What draws it."""
        counts = {"users": self.users, "posts": self.posts, "likes": self.likes, "comments": self.comments,
                  "follows": self.users * self.follows_each}  # fmt: skip
        return [
            *(f"INSERT INTO {table} {sql}".format(**counts) for table, sql in ROWS.items()), EAGER.format(**counts)
        ]  # fmt: skip


@contextlib.asynccontextmanager
async def engine(folder: Path) -> AsyncIterator[tuple[str, int]]:
    """URL and pid of an embedded ClickHouse with our schema and nothing in it."""
    port = free_port()
    process = await asyncio.to_thread(_serve, folder, port)
    url = f"http://127.0.0.1:{port}/nova"
    try:
        await _until_up(port)
        store = Store(url, name="nova benchmark", timeout_s=600)
        client = await store.client()
        for statement in without_kafka():
            await client.command(statement)
        await store.close()
        yield url, process.pid
    finally:
        process.terminate()
        process.wait(60)


def _serve(folder: Path, port: int) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-m", "nova_feed.local.clickhouse", "--data", str(folder), "--port", str(port),
            "--memory", "8000000000"]  # fmt: skip
    folder.mkdir()
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(argv, stdout=log, stderr=log)


async def _until_up(port: int) -> None:
    for _ in range(300):
        with contextlib.suppress(httpx.HTTPError):
            await _get(f"http://127.0.0.1:{port}/ping")
            return
        await asyncio.sleep(0.1)
    sys.exit("ClickHouse does not start")


async def _get(url: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=30) as client:
        return (await client.get(url)).raise_for_status()


async def measure(network: Network, seconds: float) -> dict[str, Any]:
    """Fill, rebuild what the ranker reads, then rank for groups of 64, for one viewer alone, for the eager one."""
    with tempfile.TemporaryDirectory(prefix="nova-bench-") as folder:
        async with engine(Path(folder) / "data") as (url, pid):
            store = Store(url, name="nova benchmark", timeout_s=600)
            filled = await _fill(url, network)
            hot = await store.sql("SELECT toInt64(count()) AS n FROM hot_posts")
            everybody = list(range(1, network.users + 1))
            many = await _rank_for(store, pid, everybody, TOGETHER, seconds)
            one = await _rank_for(store, pid, everybody, 1, seconds / 2)
            eager = await _rank_for(store, pid, [network.users + 1], 1, seconds / 2)
            asked = (await _get(url.rpartition("/")[0] + "/queries")).json()
            await store.close()
    read = {row["text"][:60]: round(row["read_rows"]) for row in asked if "{viewers" in row["text"]}
    return {
        **asdict(network), **filled, "hot_posts": int(hot["n"][0]), "rankings_per_s": many["per_s"],
        "ms_per_miss": many["ms_of_machine"], "alone": one["times"], "eager": eager["times"],
        "rows_read_per_query": read,
    }  # fmt: skip


async def _fill(url: str, network: Network) -> dict[str, float]:
    async with httpx.AsyncClient(base_url=url.rpartition("/")[0], params={"database": "nova"}, timeout=1800) as server:

        async def seconds(*statements: str) -> float:
            start = time.monotonic()
            for statement in statements:
                (await server.post("/", content=statement)).raise_for_status()
            return round(time.monotonic() - start, 2)

        told = {"filled_s": await seconds(*network.statements())}
        for view in VIEWS:
            told[f"rebuild_{view}_s"] = await seconds(f"SYSTEM REFRESH VIEW {view}", f"SYSTEM WAIT VIEW {view}")
        await seconds(*(f"SYSTEM STOP VIEW {view}" for view in (*VIEWS, *OTHER_VIEWS)))
    return told


async def _rank_for(store: Store, pid: int, viewers: Sequence[int], together: int, seconds: float) -> dict[str, Any]:
    """Groups of viewers, two under way, until the time is over; machine time is of ClickHouse and of this process."""
    sources, dice = Sources(store, SystemClock()), np.random.default_rng(1)
    server, me = psutil.Process(pid), psutil.Process()
    took: list[float] = []
    await sources.propose([int(viewers[0])], BUILDS)
    start, before = time.monotonic(), _cpu(server, me)

    async def one() -> None:
        while time.monotonic() - start < seconds:
            group = dice.choice(viewers, size=min(together, len(viewers)), replace=False).tolist()
            asked = time.monotonic()
            for proposal in (await sources.propose(group, BUILDS)).values():
                rank(proposal.candidates, now_ms=SystemClock().now_ms(), weights=Weights(), rules=proposal.rules,
                     saturation=Saturation(), limit=LONGEST)  # fmt: skip
            took.append(time.monotonic() - asked)

    at_once = 2 if together > 1 else 1
    await asyncio.gather(*(one() for _ in range(at_once)))
    spent, done = time.monotonic() - start, len(took) * min(together, len(viewers))
    return {"per_s": round(done / spent), "times": percentiles(took),
            "ms_of_machine": round(1000 * (_cpu(server, me) - before) / done, 3)}  # fmt: skip


def _cpu(*processes: psutil.Process) -> float:
    return float(sum(sum(process.cpu_times()[:2]) for process in processes))


def _say(found: Sequence[dict[str, Any]]) -> None:
    headers = (
        "posts",
        "hot",
        "rankings/s",
        "ms a miss",
        "alone P50",
        "P95",
        "5,000 follows P50",
        "P95",
        "hot rebuilt s",
    )
    print(f"{'network':30}" + "  ".join(headers))
    for row in found:
        cells = (
            f"{row['posts']:,}", f"{row['hot_posts']:,}", f"{row['rankings_per_s']:,}", row["ms_per_miss"],
            row["alone"]["p50_ms"], row["alone"]["p95_ms"], row["eager"]["p50_ms"], row["eager"]["p95_ms"],
            row["rebuild_hot_posts_s"],
        )  # fmt: skip
        shown = (str(cell).rjust(len(header)) for cell, header in zip(cells, headers, strict=True))
        print(f"{row['name']:30}" + "  ".join(shown))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10, help="how much larger the larger networks are")
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--users", type=int, default=10_000, help="of the smallest network; posts are 100 each")
    options = parser.parse_args()
    logs.configure("error", "console")  # that a query is slow on a full machine is what is measured here
    times, users = options.times, options.users
    first = Network("1 x", users, 100 * users, 100, 150 * users, 25 * users)
    between = round(times**0.5)
    networks = [
        first,
        replace(first, name=f"{between} x posts", posts=between * first.posts, likes=between * first.likes,
                comments=between * first.comments),
        replace(first, name=f"{times} x posts", posts=times * first.posts, likes=times * first.likes,
                comments=times * first.comments),
        replace(first, name=f"{times} x users, posts as before", users=times * users),
    ]  # fmt: skip
    found = []
    for network in networks:
        found.append(asyncio.run(measure(network, options.seconds)))
        print(json.dumps(found[-1]), file=sys.stderr, flush=True)
    _say(found)
    posts = [row for row in found if row["users"] == users]
    grew = posts[-1]["ms_per_miss"] / posts[0]["ms_per_miss"]
    root = (posts[-1]["posts"] / posts[0]["posts"]) ** 0.5
    print(
        f"{times} x the posts cost {grew:.2f} x a miss; the square root would be {root:.2f} x: ratio {grew / root:.2f}"
    )
    report("growth", {"networks": found, "grew": round(grew, 3), "square_root": round(root, 3)})
    with contextlib.suppress(ImportError):
        import plot

        print(f"written to {plot.growth(posts, BUILD / 'growth.svg')}")


if __name__ == "__main__":
    main()
