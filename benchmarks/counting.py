"""Three ways to count each event once: ``python benchmarks/counting.py [--events 1000000]``.

Bitmaps of seq, exact sets of seq, and no roll-up at all (FINAL over the events), in the same engine, on the same
events: bytes on disk, time to insert a block of 50,000, and to read the counters of all posts, also after a replay.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from typing import Any

from chdb.session import Session

from harness import report

BLOCK = 50_000
ROLLUPS = {
    "bitmap": ("AggregateFunction(groupBitmap, UInt64)", "groupBitmapState(seq)", "groupBitmapMerge(n)"),
    "exact": ("AggregateFunction(uniqExact, UInt64)", "uniqExactState(seq)", "uniqExactMerge(n)"),
}
# A hundred events share a base, as they do in a request; posts are drawn by a power law, times over one day.
_EVENT = """
SELECT toUInt64(number + intDiv(number, 100) * 28 + 128) AS seq,
    toInt64(1 + floor({posts} * pow(rand64(1) / 18446744073709551615., 4))) AS post_id,
    ['impression', 'view', 'click', 'share'][1 + toUInt8(pow(rand64(2) / 18446744073709551615., 3) * 3.999)] AS action,
    toDateTime('2026-01-01 00:00:00', 'UTC') + toUInt32(rand64(3) % 86400) AS at
FROM numbers({first}, {count})
"""


class Engine:
    """An embedded ClickHouse of its own, in a folder that goes with it."""

    def __init__(self, folder: str) -> None:
        self._session = Session(folder)
        self.run("CREATE DATABASE bench")

    def run(self, sql: str) -> str:
        return str(self._session.query(sql, "TabSeparated")).strip()

    def timed(self, sql: str) -> tuple[float, str]:
        start = time.perf_counter()
        answer = self.run(sql)
        return time.perf_counter() - start, answer

    def bytes(self, table: str) -> int:
        self.run(f"OPTIMIZE TABLE bench.{table} FINAL")
        return int(
            self.run(
                f"SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'bench' AND table = '{table}'"
            )
        )


def build(engine: Engine, events: int, posts: int) -> None:
    """The events, and a table a roll-up."""
    engine.run("CREATE TABLE bench.given (seq UInt64, post_id Int64, action LowCardinality(String), at DateTime('UTC'))"
               " ENGINE = MergeTree ORDER BY seq")  # fmt: skip
    engine.run("INSERT INTO bench.given " + _EVENT.format(posts=posts, first=0, count=events))
    engine.run("CREATE TABLE bench.final (seq UInt64, post_id Int64, action LowCardinality(String), at DateTime('UTC'))"
               " ENGINE = ReplacingMergeTree ORDER BY (post_id, action, seq)")  # fmt: skip
    for name, (kind, _, _) in ROLLUPS.items():
        engine.run(f"CREATE TABLE bench.{name} (post_id Int64, hour DateTime('UTC'),"
                   f" action LowCardinality(String), n {kind})"
                   " ENGINE = AggregatingMergeTree ORDER BY (post_id, hour, action)")  # fmt: skip


def insert(engine: Engine, name: str, events: int) -> float:
    """All events, in blocks as the Kafka engine delivers them; seconds per block."""
    columns = "seq, post_id, action, at"
    if name in ROLLUPS:
        columns = f"post_id, toStartOfHour(at) AS hour, action, {ROLLUPS[name][1]} AS n"
    spent = 0.0
    for first in range(0, events, BLOCK):
        group = " GROUP BY post_id, hour, action" if name in ROLLUPS else ""
        block = f"SELECT * FROM bench.given ORDER BY seq LIMIT {BLOCK} OFFSET {first}"
        spent += engine.timed(f"INSERT INTO bench.{name} SELECT {columns} FROM ({block}){group}")[0]
    return spent / (events / BLOCK)


def read(engine: Engine, name: str) -> tuple[float, str]:
    """Seconds to read every post's counters, and a checksum of them; the fastest of five."""
    if name in ROLLUPS:
        counts = f"SELECT post_id, action, {ROLLUPS[name][2]} AS n FROM bench.{name} GROUP BY post_id, action"
    else:
        counts = "SELECT post_id, action, count() AS n FROM bench.final FINAL GROUP BY post_id, action"
    return min(
        engine.timed(f"SELECT sum(n), groupBitXor(cityHash64(post_id, action, n)) FROM ({counts})") for _ in range(5)
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--posts", type=int, default=20_000)
    options = parser.parse_args()
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="nova-bench-") as folder:
        engine = Engine(folder)
        build(engine, options.events, options.posts)
        for name in (*ROLLUPS, "final"):
            block_s = insert(engine, name, options.events)
            read_s, before = read(engine, name)
            insert(engine, name, options.events)
            again_s, after = read(engine, name)
            found[name] = {
                "insert_ms_per_block": round(block_s * 1000, 1), "read_ms": round(read_s * 1000, 1),
                "read_ms_after_replay": round(again_s * 1000, 1),
                "bytes_per_event": round(engine.bytes(name) / options.events, 2),
                "counts_unchanged": before == after, "counted": int(before.split()[0]),
            }  # fmt: skip
            print(f"{name:<8} {found[name]}")
    report("counting", {"events": options.events, "posts": options.posts, **found})


if __name__ == "__main__":
    main()
