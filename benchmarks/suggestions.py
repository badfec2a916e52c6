"""What suggestions cost in a large network: ``python benchmarks/suggestions.py [--people 100000] [--follows 60]``.

Our schema without its Kafka tables, in an embedded ClickHouse of its own, with drawn rows: follows and readings crowd
on the first people, as they do on the well known. Prints what a batch of the job reads and takes, what a round of it
costs at most, and what the tables behind it cost to rebuild.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
import time
from typing import Any

from chdb.session import Session

from harness import report
from nova_feed.feed.suggestions import TOGETHER
from nova_feed.store.client import read
from nova_feed.store.migrate import migrations
from nova_feed.workers.suggestions import MOST, PERIOD_S, SHARE

_FROM_KAFKA = re.compile(r"ENGINE = Kafka|FROM (cdc|events)_queue")
_AUTHOR = "1 + intDiv((rand(1) % {people}) * (rand(2) % {people}), {people})"
_ROWS = {
    "posts": "INSERT INTO cdc_parsed (topic, offset, id, author_id, at, good) SELECT 'cdc.posts', number, number + 1, "
    + _AUTHOR + ", now64(3) - toIntervalSecond(rand(3) % 7776000), 1 FROM numbers({posts})",
    "follows": "INSERT INTO cdc_parsed (topic, offset, follower_id, followee_id, at, good)"
    " SELECT 'cdc.follows', number, 1 + number % {people}, " + _AUTHOR
    + ", now64(3) - toIntervalSecond(rand(3) % 7776000), 1 FROM numbers({follows})",
    "likes": "INSERT INTO cdc_parsed (topic, offset, id, post_id, user_id, at, good) SELECT 'cdc.likes', number,"
    " number + 1, 1 + rand(1) % {posts}, 1 + rand(2) % {people}, now64(3) - toIntervalSecond(rand(3) % 2592000), 1"
    " FROM numbers({likes})",
    "views": "INSERT INTO events_parsed (seq, accepted_at, at, user_id, post_id, author_id, action, good)"
    " SELECT number + 1, now64(3), now64(3) - toIntervalSecond(rand(3) % 86400), 1 + rand(4) % {people},"
    " 1 + rand(5) % {posts}, " + _AUTHOR + ", 'view', 1 FROM numbers({likes})",
}  # fmt: skip
VIEWS = ("affinity", "author_posts", "popular_people", "readers")


class Engine:
    """An embedded ClickHouse with our schema, in a folder that goes with it."""

    def __init__(self, folder: str) -> None:
        self._session = Session(folder)
        self.run("CREATE DATABASE bench ENGINE = Atomic")
        self.run("USE bench")
        for migration in migrations():
            for statement in migration.statements({"KAFKA_BROKERS": "", "KAFKA_CONSUMERS": "1"}):
                if not _FROM_KAFKA.search(statement):
                    self.run(re.sub(r"^\s*--.*$", "", statement, flags=re.MULTILINE).strip())

    def run(self, sql: str) -> tuple[float, int]:
        """Seconds, and rows read from tables."""
        start = time.perf_counter()
        answer = self._session.query(sql, "Null")
        return time.perf_counter() - start, answer.storage_rows_read()

    def close(self) -> None:
        """Nothing of it works on, so that its folder can go."""
        self._session.close()

    def suggest(self, viewers: list[int]) -> tuple[float, int]:
        return self.run(re.sub(r"\{viewers:[^}]*\}", str(viewers), read("suggestions")))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=100_000)
    parser.add_argument("--follows", type=int, default=60, help="of each")
    options = parser.parse_args()
    people = options.people
    counts = {"people": people, "posts": 20 * people, "follows": options.follows * people, "likes": 30 * people}
    with tempfile.TemporaryDirectory(prefix="nova-bench-") as folder:
        engine = Engine(folder)
        for sql in _ROWS.values():
            engine.run(sql.format(**counts))
        found: dict[str, Any] = {"rebuilds_s": {view: round(_rebuild(engine, view), 2) for view in VIEWS}}
        dice = random.Random(1)
        for together in (1, 4, TOGETHER):
            runs = sorted(engine.suggest(dice.sample(range(1, people + 1), together)) for _ in range(9))
            seconds, rows = runs[len(runs) // 2]
            found[f"{together} viewers"] = {"median_ms": round(seconds * 1000), "rows_read": rows}
        engine.close()
    batches = -(-MOST // TOGETHER)
    busy_s = batches * found[f"{TOGETHER} viewers"]["median_ms"] / 1000
    found["round_s"] = round(min(busy_s, PERIOD_S * SHARE), 1)
    for name, value in found.items():
        print(f"{name:12} {value}")
    print(f"a round is at most {MOST} viewers in {batches} batches: {busy_s:.1f} s of work every {PERIOD_S:.0f} s, "
          f"and never more than {PERIOD_S * SHARE:.0f} s, however many people there are")  # fmt: skip
    report("suggestions", {**counts, **found})


def _rebuild(engine: Engine, view: str) -> float:
    start = time.perf_counter()
    engine.run(f"SYSTEM REFRESH VIEW {view}")
    engine.run(f"SYSTEM WAIT VIEW {view}")
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
