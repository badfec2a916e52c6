"""Every metric: name, labels, meaning, remedy. Nothing else in the product makes one.

Processes of one host share ``PROMETHEUS_MULTIPROC_DIR``; any of them answers for all.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

NAMESPACE = "nova_feed"
_VISIBLE = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 0.8, 1, 2, 5)


@dataclass(frozen=True, slots=True)
class Told:
    """What a person reads about a metric."""

    name: str
    labels: tuple[str, ...]
    meaning: str
    remedy: str


TABLE: list[Told] = []


def _counter(name: str, labels: tuple[str, ...], meaning: str, remedy: str) -> Counter:
    TABLE.append(Told(f"{NAMESPACE}_{name}_total", labels, meaning, remedy))
    return Counter(name, meaning, labels, namespace=NAMESPACE)


def _gauge(name: str, labels: tuple[str, ...], meaning: str, remedy: str) -> Gauge:
    TABLE.append(Told(f"{NAMESPACE}_{name}", labels, meaning, remedy))
    return Gauge(name, meaning, labels, namespace=NAMESPACE, multiprocess_mode="mostrecent")


def _histogram(
    name: str, labels: tuple[str, ...], meaning: str, remedy: str, buckets: tuple[float, ...] = _SECONDS
) -> Histogram:
    TABLE.append(Told(f"{NAMESPACE}_{name}", labels, meaning, remedy))
    return Histogram(name, meaning, labels, namespace=NAMESPACE, buckets=buckets)


API_REQUESTS = _counter(
    "api_requests", ("route", "method", "status"), "HTTP requests answered.", "5xx rising: see the log by request id."
)
API_SECONDS = _histogram(
    "api_request_duration_seconds", ("route",), "Time to answer a request.", "Compare cached with ranked feeds first."
)
FEED_REQUESTS = _counter(
    "feed_requests", ("algo", "source", "cache_hit"), "Feed pages by where they came from.",
    "source=timeline with algo=ch is fallback: look at ClickHouse.",
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
CLICKHOUSE_SECONDS = _histogram(
    "clickhouse_query_seconds", ("query",), "Time ClickHouse took to answer our queries, by the query's file.",
    "Above 0.5 s: `nova profile queries` says which text, how often, and how many rows it reads.",
)  # fmt: skip
DISCOVERY_REQUESTS = _counter(
    "discovery_requests", ("surface", "source"), "Lists of trending posts and suggested users by where they came from.",
    "source=postgres is fallback: look at ClickHouse; computed rising: the worker's job is late, or Valkey is away.",
)  # fmt: skip
POOL_WAIT = _histogram(
    "postgres_pool_wait_seconds", ("pool",), "Time to get a connection out of a pool, asked for once a second.",
    "Rising: all connections are in use; `nova profile pools` says by whom, and which statement is the longest.",
)  # fmt: skip
JOB_RUNS = _counter(
    "job_runs", ("job", "result"), "Rounds of the worker's timed jobs: done, failed.",
    "failed: the log names the store that was away; no rounds at all: the worker does not run.",
)  # fmt: skip
JOB_SECONDS = _histogram(
    "job_duration_seconds",
    ("job",),
    "Time of one round of a timed job.",
    "Near its period: too much work for one worker.",
)
EVENTS = _counter(
    "events", ("status",), "Client events by result: accepted, duplicate, conflict, invalid.",
    "invalid rising: a client release sends something new; conflict: it uses an event_id twice.",
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
CONSUMER_LAG = _gauge(
    "kafka_consumer_lag", ("group", "topic"), "Records a consumer group has before it, by topic.",
    "events_group and nova_cdc are ClickHouse's: see system.kafka_consumers there.",
)  # fmt: skip
RECORDS_CONSUMED = _counter(
    "kafka_records_consumed", ("group", "topic"), "Records read by our own consumer groups.",
    "Flat while the topic grows: see the group's lag.",
)  # fmt: skip
RECORDS_IGNORED = _counter(
    "kafka_records_ignored", ("topic",), "Records our own consumer could not read; ClickHouse keeps them as bad rows.",
    "See bad_rows in ClickHouse, or the dead-letter topic.",
)  # fmt: skip
BAD_ROWS = _gauge(
    "bad_rows", ("topic",), "Records of the last two weeks that no view could read.",
    "Rising: somebody writes something else to the topic; bad_rows in ClickHouse has it, the dead letter says why.",
)  # fmt: skip
DEAD_LETTERS = _counter(
    "dead_letters", ("topic",), "Records that no view could read, forwarded to a dead-letter topic.",
    "Flat while bad_rows rises: more come than may be forwarded in a minute (600), or the worker does not run.",
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
)  # fmt: skip


def exposition() -> bytes:
    """All metrics in Prometheus' text format."""
    if not os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return generate_latest(REGISTRY)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
