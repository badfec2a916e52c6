"""Scale on paper: ``python benchmarks/scaling.py`` prints the tables of docs/scaling.md, ``--write`` puts them there.

Everything is worked out from the numbers below, which other benchmarks measured on one machine. Measured again, they
are changed here and nowhere else.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Sequence
from pathlib import Path

DOCUMENT = Path(__file__).parents[1] / "docs" / "scaling.md"

# CPU seconds of each part per 1,000 requests (make bench); bytes of a list (`nova profile keys`).
# Of the medium network, all background work of the time included.
HIT = {"api": 0.07, "clickhouse": 0.01, "postgres": 0.005, "valkey": 0.001}
MISS = {"api": 2.95, "clickhouse": 1.96, "postgres": 0.32, "valkey": 0.08}
# CPU microseconds per event (benchmarks/ingest.py), bytes an event leaves (the same), and what one consumer drains.
EVENT = {"api": 36.0, "clickhouse": 17.0, "postgres": 14.0, "kafka": 12.0, "valkey": 7.0}
EVENT_BYTES = {"postgres": 120.0, "clickhouse": 28.0}
DRAINED_PER_S = 60_000  # events/s, one consumer of ClickHouse's Kafka engine (the least measured)
LIST_BYTES = 11_914  # of one frozen list in Valkey

# What is assumed of an app and of a cloud. Change these to yours.
DAILY_SHARE, PAGES_A_DAY, EVENTS_A_DAY, PEAK = 0.30, 30, 150, 4.0
HIT_RATE, BUSY = 0.92, 0.5  # of the pages; how busy a core may be at the peak
DOLLARS_A_CORE, DOLLARS_A_GB = 25.0, 0.1  # a month: a virtual core with 4 GB of memory, a GB of disk
EVENT_DAYS = {"postgres": 4, "clickhouse": 30}
PARTITIONS, POSTGRES_CORES = 12, 8


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [headers, ["---", *["---:"] * (len(headers) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def cores(per_s: float, cpu_s_per_1000: float) -> float:
    """Cores that so many requests a second keep busy, as busy as a core may be."""
    return per_s * cpu_s_per_1000 / 1000 / BUSY


def page_cpu() -> dict[str, float]:
    """CPU seconds of each part per 1,000 pages, hits and misses as they come."""
    return {part: HIT_RATE * HIT[part] + (1 - HIT_RATE) * MISS[part] for part in HIT}


def measured() -> str:
    """What all else rests on."""
    parts = ("api", "clickhouse", "postgres", "valkey", "kafka")
    rows = [
        ["CPU s per 1,000 hits", *(f"{HIT.get(part, 0):.2f}" for part in parts)],
        ["CPU s per 1,000 misses", *(f"{MISS.get(part, 0):.2f}" for part in parts)],
        ["CPU s per 1,000 events", *(f"{EVENT.get(part, 0) / 1000:.3f}" for part in parts)],
        ["bytes an event leaves", *(f"{EVENT_BYTES.get(part, 0):.0f}" for part in parts)],
    ]
    return table(["", "API", "ClickHouse", "PostgreSQL", "Valkey", "Kafka"], rows)


def reads() -> str:
    """Cores and API workers by feed pages a second."""
    cpu = page_cpu()
    rows = []
    for per_s in (1_000, 10_000, 100_000):
        need = {part: cores(per_s, cpu[part]) for part in cpu}
        rows.append(
            [
                f"{per_s:,}",
                f"{math.ceil(need['api']):,}",
                *(f"{need[p]:,.1f}" for p in ("clickhouse", "postgres", "valkey")),
            ]
        )
    return table(["pages/s", "API workers (a core each)", "ClickHouse cores", "PostgreSQL cores", "Valkey cores"], rows)


def events() -> str:
    """Consumers, partitions and PostgreSQLs by events a second."""
    rows = []
    for per_s in (10_000, 100_000, 1_000_000):
        consumers = max(1, math.ceil(per_s / (DRAINED_PER_S * BUSY)))
        busy = {part: math.ceil(per_s * EVENT[part] / 1e6 / BUSY) for part in ("clickhouse", "postgres", "api")}
        rows.append([
            f"{per_s:,}", f"{max(PARTITIONS, 2 * consumers):,}", f"{consumers:,}", f"{busy['clickhouse']:,}",
            f"{math.ceil(busy['postgres'] / POSTGRES_CORES):,}", f"{busy['api']:,}",
        ])  # fmt: skip
    return table(
        [
            "events/s",
            "partitions",
            "consumers",
            "ClickHouse cores",
            f"PostgreSQLs of {POSTGRES_CORES} cores",
            "API workers",
        ],
        rows,
    )


def million() -> str:
    """Cores, storage and dollars a month of a million registered users."""
    daily = 1e6 * DAILY_SHARE
    pages_s, events_s = daily * PAGES_A_DAY / 86_400 * PEAK, daily * EVENTS_A_DAY / 86_400 * PEAK
    cpu = page_cpu()
    per_part = {part: cores(pages_s, cpu.get(part, 0)) + events_s * EVENT.get(part, 0) / 1e6 / BUSY for part in EVENT}
    disk_gb = {part: daily * EVENTS_A_DAY * EVENT_DAYS[part] * EVENT_BYTES[part] / 1e9 for part in EVENT_BYTES}
    lists_gb = daily * 0.1 * LIST_BYTES / 1e9  # a tenth of the day's users within the ten minutes a list lives
    total = sum(per_part.values()) * DOLLARS_A_CORE + sum(disk_gb.values()) * DOLLARS_A_GB
    rows = [
        ["at the peak", f"{pages_s:,.0f} pages/s, {events_s:,.0f} events/s"],
        ["cores", ", ".join(f"{part} {need:.1f}" for part, need in per_part.items())],
        ["lists in Valkey", f"{lists_gb:.1f} GB"],
        ["disk of events", ", ".join(f"{part} {size:,.0f} GB" for part, size in disk_gb.items())],
        ["dollars a month, one copy of each part", f"{total:,.0f}"],
    ]
    return table(["a million registered users", ""], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    tables = {"measured": measured(), "reads": reads(), "events": events(), "million": million()}
    text = DOCUMENT.read_text() if options.write else ""
    for name, body in tables.items():
        print(f"{name}\n{body}\n")
        text = re.sub(rf"(<!-- {name} -->\n).*?(?=<!-- end -->)", rf"\g<1>{body}\n", text, flags=re.DOTALL)
    if options.write:
        DOCUMENT.write_text(text)


if __name__ == "__main__":
    main()
