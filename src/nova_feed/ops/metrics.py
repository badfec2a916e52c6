"""Every metric: name, labels, meaning, remedy. Nothing else in the product makes one.

The processes of one service (``nova api`` has several) share ``PROMETHEUS_MULTIPROC_DIR``; any of them answers for all.
Labels are bounded: routes, stores, queries, topics, stages, never a user, a post or an address. Counters whose label
values are known begin at 0, so that a rate is there before the first failure. Units are seconds and bytes.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import Counter as Counting
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

from nova_feed.ops.processes import lives
from nova_feed.topics import CDC_TABLES

NAMESPACE = "nova_feed"
_RELATIONS = ("follows", "blocks", "mutes")  # the topics that a consumer of our own reads
_VISIBLE = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30)
_QUICK = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25)
_LATE = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 0.8, 1, 2, 5)


@dataclass(frozen=True, slots=True)
class Told:
    """What a person reads about a metric."""

    name: str
    labels: tuple[str, ...]
    meaning: str
    remedy: str


TABLE: list[Told] = []


def _counter(
    name: str, labels: tuple[str, ...], meaning: str, remedy: str, start: Iterable[tuple[str, ...]] = ()
) -> Counter:
    """``start``: the label values that are there from the beginning, at 0."""
    TABLE.append(Told(f"{NAMESPACE}_{name}_total", labels, meaning, remedy))
    counter = Counter(name, meaning, labels, namespace=NAMESPACE)
    for values in start:
        counter.labels(*values)
    return counter


def _gauge(
    name: str,
    labels: tuple[str, ...],
    meaning: str,
    remedy: str,
    of: Literal["mostrecent", "liveall", "livesum"] = "mostrecent",
) -> Gauge:
    """``of`` several processes: the value set last, one for each that lives (with its pid), or the sum over those."""
    TABLE.append(Told(f"{NAMESPACE}_{name}", (*labels, "pid") if of == "liveall" else labels, meaning, remedy))
    return Gauge(name, meaning, labels, namespace=NAMESPACE, multiprocess_mode=of)


def _histogram(
    name: str, labels: tuple[str, ...], meaning: str, remedy: str, buckets: tuple[float, ...] = _SECONDS
) -> Histogram:
    TABLE.append(Told(f"{NAMESPACE}_{name}", labels, meaning, remedy))
    return Histogram(name, meaning, labels, namespace=NAMESPACE, buckets=buckets)


def observe_all(histogram: Histogram, values: Sequence[float]) -> None:
    """Observe many values at once: one look-up and one addition for each bucket, where ``observe`` has them a value."""
    bounds = histogram._upper_bounds  # noqa: SLF001  there is no public way to add more than one
    for place, count in Counting(bisect_left(bounds, value) for value in values).items():
        histogram._buckets[place].inc(count)  # noqa: SLF001
    histogram._sum.inc(sum(values))  # noqa: SLF001


API_REQUESTS = _counter(
    "api_requests", ("route", "method", "status"), "HTTP requests answered.", "5xx rising: see the log by request id."
)
API_SECONDS = _histogram(
    "api_request_duration_seconds", ("route",), "Time to answer a request.", "Compare cached with ranked feeds first."
)
API_ACTIVE = _gauge(
    "api_active_requests", (), "Requests being answered now.", "Growing while requests are few: a store answers late.",
    of="livesum",
)  # fmt: skip
FEED_REQUESTS = _counter(
    "feed_requests", ("algo", "source", "cache_hit"), "Feed pages by where they came from.",
    "source=timeline with algo=ch is fallback: look at ClickHouse.",
)  # fmt: skip
FEED_SECONDS = _histogram(
    "feed_duration_seconds", ("source",), "Time to make a feed page, by where it came from: cached, ranked, timeline.",
    "cached above 0.15 s: Valkey or PostgreSQL (the page's rules) is slow; ranked above 0.8 s: see ranking_seconds.",
)  # fmt: skip
FALLBACKS = _counter(
    "fallbacks", ("surface", "store", "reason"),
    "Answers made without a store, by which one and why: away, timeout, breaker_open.",
    "Look at the store that is named: `nova status`, then its log.",
    [(s, "clickhouse", r) for s in ("feed", "trending", "suggestions") for r in ("away", "timeout", "breaker_open")],
)  # fmt: skip
BREAKERS = _gauge(
    "breakers", ("store", "state"), "Circuit breakers of each process by state: closed, half_open, open.",
    "open: three calls in a row failed; it tries again after 30 s. Mend the store that is named.", of="liveall",
)  # fmt: skip
CACHE_LOOKUPS = _counter(
    "cache_lookups", ("cache", "level"), "Look-ups of a cache by what answered: local, valkey, outdated, miss, away.",
    "miss rising: lists are forgotten too often or Valkey evicts; away: Valkey does not answer; outdated: first pages "
    "by lists that should have been ranked anew, which takes too long (ranking_duration_seconds).",
    [(c, v) for c in ("feed", "cursor", "trending", "suggestions") for v in ("local", "valkey", "miss", "away")]
    + [("feed", "outdated")],
)  # fmt: skip
RANKING_POSTS = _counter(
    "ranking_posts", ("stage", "result"), "Posts that went in, were kept, were removed by each stage of rankings.",
    "merge: found by two sources; seen: had already; exclude: hidden by a rule; cut: past the list's 500.",
    [(s, r) for s in ("merge", "seen", "exclude", "cut") for r in ("in", "kept", "removed")],
)  # fmt: skip
RANKING_SECONDS = _histogram(
    "ranking_seconds", ("stage",), "Time of a ranking by stage: candidates (waiting included), rank, keep.",
    "candidates: ClickHouse, see ch_query_duration_seconds; rank: this process has too little CPU; keep: Valkey.",
)  # fmt: skip
DEDUP_REMOVED = _counter(
    "dedup_posts_removed", ("kind",), "Posts that rankings left out as had already: seen, duplicate (of two sources).",
    "seen falling to 0: impressions do not arrive, or Valkey lost them.", [("seen",), ("duplicate",)],
)  # fmt: skip
CH_SECONDS = _histogram(
    "ch_query_duration_seconds", ("query", "status"),
    "ClickHouse queries by the name of their file: ok, timeout, away, error.",
    "One query slow: it; all slow: ClickHouse has too little CPU or merges too much. error is a bug of ours.",
)  # fmt: skip
CH_COUNTERS_AGE = _gauge(
    "ch_counters_age_seconds", (), "How long ago the counters that rankings read were rebuilt (hot_posts).",
    "Above 45 (30 while nothing comes): the worker's invalidation job does not run, or the rebuild fails: see its log.",
)  # fmt: skip
VALKEY_SECONDS = _histogram(
    "valkey_command_duration_seconds", ("command", "status"),
    "Valkey commands by name and result: ok, timeout, error; a pipeline counts as one.",
    "Above 20 ms: a slow network, a host without CPU, or huge keys (SLOWLOG GET). error: it is away or full.",
    buckets=_QUICK,
)  # fmt: skip
VALKEY_MEMORY = _gauge(
    "valkey_memory_bytes", ("kind",), "Memory of Valkey: used, max (0: no limit).",
    "used near max: lists are evicted before their time; give it more, or shorten NOVA_LIST_TTL_S.",
)  # fmt: skip
VALKEY_KEYS = _gauge(
    "valkey_keys_gone", ("how",), "Keys that left Valkey since it started: evicted, expired.",
    "evicted rising: maxmemory is too small for the viewers there are.",
)  # fmt: skip
POOL = _gauge(
    "postgres_pool_connections", ("pool", "state"), "Connections of our pools to PostgreSQL: used, idle, max.",
    "used at max: requests wait; a slow query (pg_stat_activity) or too few connections.", of="livesum",
)  # fmt: skip
PART_UP = _gauge(
    "part_up", ("part",), "Whether a server answers the worker: 1 or 0.", "0: `nova status`, then that server's log."
)  # fmt: skip
DISK_FREE = _gauge(
    "disk_free_bytes", ("disk",), "Room left on ClickHouse's disks (in the local stack: the disk of everything).",
    "Below a tenth: make room now; ClickHouse and PostgreSQL stop writing when it is full.",
)  # fmt: skip
DISK_SIZE = _gauge("disk_size_bytes", ("disk",), "Size of those disks.", "As disk_free_bytes.")
BREAKER_TURNS = _counter(
    "breaker_turns", ("store", "turn"),
    "A store was left alone after failures in a row (opened), asked once (probed), found well again (closed).",
    "opened: the store was away or too slow; many in an hour: see how long it takes to answer.",
    [(s, t) for s in ("postgres", "clickhouse", "valkey") for t in ("opened", "probed", "closed")],
)  # fmt: skip
SEEN_FALSE = _histogram(
    "seen_false_positive_rate", (),
    "Of rankings: the share of posts not seen that the viewer's Bloom filter takes for seen.",
    "Above 0.01 a viewer has more than 5,300 impressions a day: see whether a client sends what nobody looks at.",
    buckets=(0.0001, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1),
)  # fmt: skip
POSTS_REMOVED = _counter(
    "feed_posts_removed", (), "Rows of frozen lists dropped when a page was cut (deleted, blocked, muted, unfollowed).",
    "Rising without reason: lists live too long, or CDC is late.",
)  # fmt: skip
DISCOVERY_REQUESTS = _counter(
    "discovery_requests", ("surface", "source"), "Lists of trending posts and suggested users by where they came from.",
    "source=postgres is fallback: look at ClickHouse; computed rising: the worker's job is late, or Valkey is away.",
)  # fmt: skip
SHED = _counter(
    "requests_shed", (), "Requests refused with 503: a process had as many to answer as it can soon, or was late.",
    "Rising: more API processes, or look at what makes answers slow (feed_duration_seconds by source).",
)  # fmt: skip
LATE = _histogram(
    "api_late_seconds", (), "How late the timers of an API process are: everything in it waits as long for its turn.",
    "Above 0.05: processors are short, and events are refused; more machine, or fewer API processes a processor.",
    buckets=_LATE,
)  # fmt: skip
EVENTS_SHARE = _gauge(
    "events_share", (), "Share of the batches of events that an API process lets in; the others are 503.",
    "Below 1: as api_late_seconds. Senders have to try again.", of="liveall",
)  # fmt: skip
EVENTS_SHARE.set(1)  # also in a process that answers nobody: the parent of those that do
RATE_LIMITED = _counter(
    "rate_limited", ("limit",), "Requests refused with 429, by the limit they ran into.",
    "The log names limit and caller (limited=, caller=). One caller: talk to it; many: raise NOVA_LIMIT_*.",
    [(limit,) for limit in ("reads", "events", "service-reads", "service-events", "anonymous")],
)  # fmt: skip
RATE_REPORTS = _counter(
    "rate_limit_reports", ("result",), "What processes told each other of spent limits through Valkey: done, failed.",
    "failed: each process keeps the whole limit by itself until Valkey is back.", [("done",), ("failed",)],
)  # fmt: skip
POOL_WAIT = _histogram(
    "postgres_pool_wait_seconds", ("pool",), "Time to get a connection out of a pool, asked for once a second.",
    "Rising: all connections are in use; `nova profile pools` says by whom, and which statement is the longest.",
)  # fmt: skip
JOB_RUNS = _counter(
    "job_runs", ("job", "result"), "Rounds of the worker's timed jobs: done, failed.",
    "failed: the log names the store that was away; no rounds at all: the worker does not run.",
    [(job, result) for job in ("trending", "suggestions", "warmer", "daily") for result in ("done", "failed")],
)  # fmt: skip
JOB_SECONDS = _histogram(
    "job_duration_seconds",
    ("job",),
    "Time of one round of a timed job.",
    "Near its period: too much work for one worker.",
)
REPORTS = _counter(
    "daily_reports", ("result",), "Daily reports by mail: sent, failed.",
    "failed: the log says what the server answered (daily.not_sent); `nova daily --send` sends it again.",
    [("sent",), ("failed",)],
)  # fmt: skip
EVENTS = _counter(
    "events", ("status",), "Client events by result: accepted, duplicate, conflict, invalid.",
    "invalid rising: a client release sends something new; conflict: it uses an event_id twice.",
    [("accepted",), ("duplicate",), ("conflict",), ("invalid",)],
)  # fmt: skip
EVENTS_MISSING = _gauge(
    "events_missing", (), "Accepted and acknowledged events that ClickHouse did not have when it should.",
    "They are sent again by themselves; if it stays above 0: `nova events verify`, then the log of the Kafka engine.",
)  # fmt: skip
EVENTS_EXTRA = _gauge(
    "events_extra", (), "Events in ClickHouse that PostgreSQL never accepted.",
    "PostgreSQL was restored from a backup, or somebody else writes to the topic.",
)  # fmt: skip
EVENTS_RESENT = _counter(
    "events_resent", (), "Events that were sent to Kafka again because they were missing.",
    "Rising: the broker loses acknowledged records, or ClickHouse commits what it did not store.",
)  # fmt: skip
OUTBOX_EVENTS = _gauge(
    "outbox_pending_events", (), "Accepted events that Kafka has not acknowledged yet.",
    "Growing: the broker is away or slow; nothing is lost, PostgreSQL holds them.",
)  # fmt: skip
OUTBOX_AGE = _gauge(
    "outbox_oldest_seconds", (), "Age of the oldest accepted event that Kafka has not acknowledged.",
    "Above a minute: see whether the broker is up and the worker's relay runs (log: outbox.relayed).",
)  # fmt: skip
RECORDS_PRODUCED = _counter(
    "kafka_records_produced", ("topic", "result"), "Records handed to Kafka by result: delivered, failed.",
    "failed: the broker is away or slow; accepted events wait in the outbox and are sent again.",
    [("events", "delivered"), ("events", "failed")],
)  # fmt: skip
CONSUMER_LAG_SECONDS = _gauge(
    "kafka_consumer_lag_seconds", ("group", "topic"), "For how long the oldest record not yet read has been there.",
    "Above 10: the consumer is slow or stands; all but nova_relations are ClickHouse's (system.kafka_consumers).",
)  # fmt: skip
PARTITION_LAG = _gauge(
    "kafka_partition_lag", ("group", "topic", "partition"), "Records a consumer group has before it, by partition.",
    "One partition alone behind: a hot key, or a record that a view cannot pass (bad_rows).",
)  # fmt: skip
CONSUMER_OFFSET = _gauge(
    "kafka_consumer_offset", ("group", "topic"), "Sum of what a group has committed; its rate is records per second.",
    "Flat while kafka_consumer_lag grows: the consumer stands.",
)  # fmt: skip
CDC_LAG_SECONDS = _gauge(
    "cdc_lag_seconds", ("table",), "How far ClickHouse's copy of a table is behind what Debezium has captured of it.",
    "Above 10: ClickHouse's consumer (`nova cdc status`); all tables 0 but the heartbeat old: Connect or the slot.",
)  # fmt: skip
CDC_HEARTBEAT_AGE = _gauge(
    "cdc_heartbeat_age_seconds", (), "Age of the newest heartbeat that went from PostgreSQL to ClickHouse.",
    "Above 15: capture stands; `nova cdc status` shows connector, slot and lag.",
)  # fmt: skip
CONNECTOR_TASKS = _gauge(
    "connector_tasks", ("state",), "The connector and its tasks by state: running, failed, paused, other.",
    "failed: the worker restarts it every 2 s; its trace is in the log (cdc.restarting).",
)  # fmt: skip
CONNECTOR_RUNNING = _gauge(
    "connector_running", ("connector",), "Whether the connector and all its tasks run; 0 also when Connect is away.",
    "0: `nova cdc status`, then Connect's log.",
)  # fmt: skip
CONNECTOR_RESTARTS = _counter(
    "connector_restarts", (), "Restarts of a failed connector or task.", "Again and again: the trace in the log."
)  # fmt: skip
SLOT_LAG = _gauge(
    "slot_lag_bytes", ("slot",), "WAL that PostgreSQL keeps because the slot has not confirmed it.",
    "Growing: Connect does not read. PostgreSQL's disk fills, or the slot is lost at max_slot_wal_keep_size.",
)  # fmt: skip
SLOT_ACTIVE = _gauge(
    "slot_active", ("slot",), "Whether somebody reads the slot: 1 or 0.", "0: the connector does not run."
)  # fmt: skip
SLOT_WAL = _gauge(
    "slot_wal_status", ("slot", "status"), "1 at the slot's wal_status: reserved, extended, unreserved, lost.",
    "unreserved: minutes to go; lost: capture must begin anew with a snapshot (runbook: SlotWalLost).",
)  # fmt: skip
CONSUMER_LAG = _gauge(
    "kafka_consumer_lag", ("group", "topic"), "Records a consumer group has before it, by topic.",
    "All but nova_relations are ClickHouse's: see system.kafka_consumers there.",
)  # fmt: skip
RECORDS_CONSUMED = _counter(
    "kafka_records_consumed", ("group", "topic"), "Records read by our own consumer groups.",
    "Flat while the topic grows: see the group's lag.",
)  # fmt: skip
RECORDS_IGNORED = _counter(
    "kafka_records_ignored", ("topic",), "Records our own consumer could not read; ClickHouse keeps them as bad rows.",
    "See bad_rows in ClickHouse, or the dead-letter topic.", [(f"cdc.{table}",) for table in _RELATIONS],
)  # fmt: skip
BAD_ROWS = _gauge(
    "bad_rows", ("topic",), "Records of the last two weeks that no view could read.",
    "Rising: somebody writes something else to the topic; bad_rows in ClickHouse has it, the dead letter says why.",
)  # fmt: skip
DEAD_LETTERS = _counter(
    "dead_letters", ("topic",), "Records that no view could read, forwarded to a dead-letter topic.",
    "Flat while bad_rows rises: more come than may be forwarded in a minute (600), or the worker does not run.",
    [("events",), *((f"cdc.{table}",) for table in CDC_TABLES)],
)  # fmt: skip
VISIBLE_SECONDS = _histogram(
    "event_to_visible_seconds", ("stage",),
    "The canary: from sending an event to accept, broker, clickhouse, counters, cache, feed; post: INSERT to feed.",
    "Find the first stage that is slow: the ones before it are well.", buckets=_VISIBLE,
)  # fmt: skip
CANARY_LAST = _gauge(
    "canary_seconds", ("stage",), "The same, of the canary's last round.", "As event_to_visible_seconds."
)  # fmt: skip
CANARY_AT = _gauge(
    "canary_last_success_timestamp_seconds", (), "When the canary last saw its event in the feed (Unix time).",
    "Older than a few minutes: nobody's events reach a feed; see canary_failures.",
)  # fmt: skip
CANARY_FAILURES = _counter(
    "canary_failures", ("stage",), "Canary rounds that did not come to this stage in time.",
    "The stage names the part to look at.",
    [(stage,) for stage in ("post", "accept", "broker", "clickhouse", "counters", "cache", "feed")],
)  # fmt: skip
RUNTIME_VERSION = _gauge(
    "runtime_version", (), "Version of flags and configuration that holds; 0: what the settings say.",
    "Not the newest of `nova admin history`: see runtime_refused, and `nova admin state` for each process.",
)  # fmt: skip
RUNTIME_REFUSED = _counter(
    "runtime_refused", ("source",), "Versions of flags and configuration that were not valid: table, file.",
    "The old one stays; the log (runtime.refused) names each wrong field. `nova admin rollback` adds a good one.",
    [("table",), ("file",)],
)  # fmt: skip


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
    if not folder:
        return generate_latest(REGISTRY)
    _forget_the_dead(Path(folder))
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)


def _forget_the_dead(folder: Path) -> None:
    """What a process that was killed had open or under way is no more. Its counters stay: they only grow."""
    for path in folder.glob("gauge_live*_*.db"):
        pid = path.stem.rpartition("_")[2]
        if pid.isdecimal() and not lives(int(pid)):
            path.unlink(missing_ok=True)
