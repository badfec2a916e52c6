"""Events over HTTP, batches of 100: ``python benchmarks/ingest.py [--seconds 30] [--connections 8] [--rate 10000]``.

Prints the rate, the latency of the POST, what is lost or counted twice, the consumer's lag at the end, CPU and bytes
per event; and, from the same run, two ceilings: a raw Kafka produce of such records and a raw PostgreSQL insert of as
many keys.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import time
import uuid
from pathlib import Path
from typing import Any

import asyncpg
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

import load
from harness import facts, new_home, nova, percentiles, report
from nova_feed.store.client import Store
from nova_feed.stream.lag import group_lag
from usage import cpu

CEILING_S = 5.0
TABLES = ("events", "post_metrics_1h", "user_author_90d", "events_ledger")

_CLICKHOUSE_BYTES = """
SELECT toInt64(sum(bytes_on_disk)) AS n, CAST(table AS String) AS name
FROM system.parts WHERE active AND database = currentDatabase() GROUP BY name
"""
_POSTGRES_BYTES = """
SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits WHERE inhparent = 'nova_events_seen'::regclass
"""


def raw_kafka(brokers: str) -> float:
    """Records a second, acknowledged: 250 bytes each, idempotent, acks=all, lz4, 12 partitions."""
    topic = f"bench-{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": brokers})
    for future in admin.create_topics([NewTopic(topic, 12, 1)]).values():
        future.result(10)
    producer = Producer({"bootstrap.servers": brokers, "acks": "all", "enable.idempotence": True, "linger.ms": 5,
                         "compression.type": "lz4"})  # fmt: skip
    values = [b'{"seq":%d,"event_id":"%s","action":"view"}' % (i, os.urandom(90).hex().encode()) for i in range(5000)]
    sent, start = 0, time.monotonic()
    while time.monotonic() - start < CEILING_S:
        try:
            producer.produce(topic, value=values[sent % 5000], key=b"%d" % (sent % 1000))
            sent += 1
        except BufferError:
            producer.poll(0.01)
        if sent % 1000 == 0:
            producer.poll(0)
    producer.flush(30)
    rate = sent / (time.monotonic() - start)
    for future in admin.delete_topics([topic]).values():
        future.result(10)
    return rate


async def raw_postgres(url: str, connections: int) -> float:
    """Rows a second into a table with nothing but a primary key, a hundred a statement, committed one by one."""
    async with asyncpg.create_pool(url, min_size=connections, max_size=connections) as pool:
        await pool.execute("CREATE TABLE IF NOT EXISTS bench_raw (key uuid PRIMARY KEY, day date)")
        start, done = time.monotonic(), 0

        async def one() -> None:
            nonlocal done
            while time.monotonic() - start < CEILING_S:
                keys = [uuid.uuid4() for _ in range(load.BATCH)]
                await pool.execute("INSERT INTO bench_raw SELECT unnest($1::uuid[]), current_date", keys)
                done += load.BATCH

        await asyncio.gather(*(one() for _ in range(connections)))
        rate = done / (time.monotonic() - start)
        await pool.execute("DROP TABLE bench_raw")
    return rate


class Sizes:
    """Bytes on disk of everything that an event leaves behind for good."""

    def __init__(self, read: dict[str, Any]) -> None:
        self._read = read

    async def now(self) -> dict[str, int]:
        connection = await asyncpg.connect(self._read["postgres_url"])
        store = Store(self._read["clickhouse_url"], name="nova benchmark", timeout_s=60)
        try:
            client = await store.client()
            for table in TABLES:
                await client.command(f"OPTIMIZE TABLE {table} FINAL")
            rows = await store.sql(_CLICKHOUSE_BYTES)
            clickhouse = dict(zip(rows["name"].tolist(), rows["n"].tolist(), strict=True))
            postgres = await connection.fetchval(_POSTGRES_BYTES)
        finally:
            await connection.close()
            await store.close()
        return {"postgres nova_events_seen": int(postgres)} | {
            f"clickhouse {table}": clickhouse.get(table, 0) for table in TABLES
        }


async def drained(brokers: str, deadline_s: float = 120) -> float:
    """Seconds until ClickHouse's consumer has nothing before it."""
    start = time.monotonic()
    while await asyncio.to_thread(group_lag, brokers, "events_group") > 0:
        if time.monotonic() - start > deadline_s:
            break
        await asyncio.sleep(0.1)
    return time.monotonic() - start


async def measure(home: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One run against a running stack."""
    read = facts(home)
    posts, users = await load.world(read["postgres_url"])
    token = load.service_token(home)
    ceilings = {
        "raw_kafka_per_s": round(await asyncio.to_thread(raw_kafka, read["kafka_brokers"])),
        "raw_postgres_per_s": round(await raw_postgres(read["postgres_url"], 8)),
    }
    await load.run(read["api_url"], token, load.Batches(posts, users, 1), seconds=3, connections=options.connections)
    await drained(read["kafka_brokers"])
    sizes = Sizes(read)
    bytes_before, cpu_before, start = await sizes.now(), cpu(read), time.monotonic()
    told = await load.run(read["api_url"], token, load.Batches(posts, users, 2), seconds=options.seconds,
                          connections=options.connections, rate=options.rate)  # fmt: skip
    took = time.monotonic() - start
    lag = await asyncio.to_thread(group_lag, read["kafka_brokers"], "events_group")
    catch_up = await drained(read["kafka_brokers"])
    cpu_after = cpu(read)
    verified = await asyncio.to_thread(nova, "events", "verify", "--wait", "--json", "--home", str(home))
    bytes_after = await sizes.now()
    return {
        "seconds": round(took, 1), "connections": options.connections, "asked_rate": options.rate,
        "events_per_s": round(told.accepted / took), **percentiles(told.seconds), "accepted": told.accepted,
        "not_accepted": told.others, "failures": told.failures, "lag_at_end": lag, "catch_up_s": round(catch_up, 1),
        **ceilings, "of_raw_kafka": round(told.accepted / took / ceilings["raw_kafka_per_s"], 3),
        "of_raw_postgres": round(told.accepted / took / ceilings["raw_postgres_per_s"], 3),
        "cpu_us_per_event": {p: round(1e6 * (cpu_after[p] - cpu_before[p]) / told.accepted, 1) for p in cpu_after},
        "bytes_per_event": {n: round((bytes_after[n] - bytes_before[n]) / told.accepted, 1) for n in bytes_after},
        "ledger": json.loads(verified),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--rate", type=float, help="events a second; without it as many as are taken")
    parser.add_argument("--home", type=Path, help="a running stack; without it one is started and removed")
    options = parser.parse_args()
    if options.home:
        found = asyncio.run(measure(options.home, options))
    else:
        with new_home() as home:
            nova("up", "--demo", "--detach", "--home", str(home))
            found = asyncio.run(measure(home, options))
    for name, value in found.items():
        print(f"{name:<20} {value}")
    report("ingest", found)


if __name__ == "__main__":
    main()
